#!/usr/bin/env node
// Plain old JavaScript on purpose: an older Node must get as far as saying what is missing, instead of a stack trace.
import fs from 'node:fs'

var root = new URL('../', import.meta.url)
var needed = JSON.parse(fs.readFileSync(new URL('package.json', root), 'utf8')).engines.node
var atLeast = needed.match(/\d+/g).map(Number)
var own = process.versions.node.split('.').map(Number)

if (own[0] < atLeast[0] || (own[0] === atLeast[0] && own[1] < atLeast[1])) {
  console.error(
    'toolgate needs Node.js ' +
      needed +
      ' (this is ' +
      process.version +
      '). Get a newer one: https://nodejs.org',
  )
  process.exit(1)
}

// Beside us stands the built package; in a checkout, its sources.
var source = new URL('src/main.ts', root)
import(fs.existsSync(source) ? source.href : new URL('main.js', root).href)
