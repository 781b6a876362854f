/** The part of a logger that background work needs; pino's has it. */
export interface LogLines {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}
