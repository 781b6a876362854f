import { once } from 'node:events'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { runServer } from 'verdaccio'

// Runs a real npm registry until its parent goes away: node verdaccio-process.js <folder> <prefix>
// Tells the parent its port, and takes from it the address under which clients reach it.

const [folder = '', prefix = '/'] = process.argv.slice(2)
const everybody = { access: '$all', publish: '$all', unpublish: '$all' }
const server: Server = await runServer({
  storage: `${folder}/storage`,
  self_path: `${folder}/config.yaml`,
  // The gateway is in front and decides who may do what.
  packages: { '@*/*': everybody, '**': everybody },
  uplinks: {},
  auth: { htpasswd: { file: `${folder}/htpasswd`, max_users: -1 } },
  web: { enable: false },
  url_prefix: prefix,
  max_body_size: '64mb',
  log: { type: 'stdout', format: 'json', level: 'error' },
})
process.on('disconnect', () => process.exit(0))
process.on('message', (publicUrl) => {
  // Read by Verdaccio on each request: addresses of tarballs begin with it.
  process.env['VERDACCIO_PUBLIC_URL'] = String(publicUrl)
  process.send?.('public')
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
process.send?.((server.address() as AddressInfo).port)
