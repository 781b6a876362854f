import { testNpmClients } from './harness/npm-family.ts'

testNpmClients('pnpm')
