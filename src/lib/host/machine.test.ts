import { spawn } from 'node:child_process'
import { once } from 'node:events'
import t from 'tap'
import { hasEnded, machineName, processStart } from './machine.ts'

t.test('a process of this machine is known to live, and to have ended', async (t) => {
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'])
  const pid = child.pid ?? 0
  const started = processStart(pid)
  t.equal(hasEnded(machineName(), pid, started), false)
  child.kill('SIGSTOP')
  t.equal(hasEnded(machineName(), pid, started), false, 'one that is frozen lives')
  child.kill('SIGKILL')
  await once(child, 'exit')
  t.equal(hasEnded(machineName(), pid, started), machineName() !== '')
  t.equal(hasEnded('another machine', pid, started), false, 'of another machine nothing is known')
})

t.test('D11: a process that has the id of a dead one by now is not taken for it', async (t) => {
  if (machineName() === '') return
  t.equal(hasEnded(machineName(), process.pid, '1'), true)
  t.equal(hasEnded(machineName(), process.pid, ''), false, 'without its start, nobody can say')
  t.equal(hasEnded(machineName(), process.pid, processStart(process.pid)), false)
})
