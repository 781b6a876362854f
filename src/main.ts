#!/usr/bin/env node
import module from 'node:module'
import { fileURLToPath } from 'node:url'

// Compiled code is kept beside the program, as Python does, where Node can (22.8 and newer) and may write: measured on 24, a
// start takes 213 ms instead of 233. Never in the system's folder for temporary files: whoever could put code there would run it
// here. What is loaded before this line is compiled each time; hence nothing is. Workers take it over from the environment.
const { enableCompileCache } = module as { enableCompileCache?: (folder: string) => { directory?: string } }
const folder = fileURLToPath(new URL('../.cache/compile', import.meta.url))
if (enableCompileCache?.(folder).directory !== undefined) process.env['NODE_COMPILE_CACHE'] ??= folder

await import('./command.ts')
