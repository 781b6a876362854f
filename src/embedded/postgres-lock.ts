import { closeSync, constants, fstatSync, ftruncateSync, writeSync } from 'node:fs'
import { createServer } from 'node:net'
import { errorCode } from '../lib/error-code.ts'
import { openRegular } from '../lib/host/folder-owner.ts'
import { followOwner } from './postgres-layout.ts'
import type { Layout } from './postgres-layout.ts'

/** O_EXLOCK of macOS (sys/fcntl.h): flock(2) as part of open(2). */
const O_EXLOCK = 0x20

/**
 * Takes the lock that makes this process the one supervisor of `layout`, for as long as the process lives. Returns false when another
 * process has it. The kernel gives the lock back with the process, so that there is no stale lock and nothing to remove (removing is where
 * lock files race). Node has no flock(2): on Linux it is a name in the abstract socket space, derived from the inode of the lock file, which
 * none but its owner can look up; on macOS a flag of open(2).
 */
export async function takeLock(layout: Layout): Promise<boolean> {
  const usesFlag = process.platform === 'darwin'
  const { O_RDWR, O_CREAT } = constants
  let fd: number
  try {
    fd = openRegular(layout.lockFile, O_RDWR | O_CREAT | (usesFlag ? O_EXLOCK : 0))
  } catch (error) {
    if (usesFlag && errorCode(error) === 'EAGAIN') return false
    throw error
  }
  followOwner(layout.lockFile, layout.home)
  const { dev, ino } = fstatSync(fd, { bigint: true })
  if (!usesFlag && !(await bindAbstract(`\0waybill-postgres-${dev}-${ino}`))) {
    closeSync(fd)
    return false
  }
  // For people; nothing reads it back. The descriptor stays open: on macOS it is the lock.
  ftruncateSync(fd)
  writeSync(fd, `${process.pid}\n`, 0)
  return true
}

async function bindAbstract(name: string): Promise<boolean> {
  return await new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy())
    server.once('error', (error) => {
      if (errorCode(error) === 'EADDRINUSE') resolve(false)
      else reject(error)
    })
    server.listen(name, () => {
      server.unref()
      resolve(true)
    })
  })
}
