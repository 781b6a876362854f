/**
 * In the folder that a process has in its spill: there while it may have promised entries that the database has not heard of. The process that finds it
 * in the folder of a dead one does not believe what the database has of that.
 */
export const UNHEARD_FILE = 'unheard'
