import { testNpmClients } from './harness/npm-family.ts'

testNpmClients('yarn1', 'yarn')
