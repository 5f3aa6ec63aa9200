// `toolgate stdio`: the gateway as a process that desktop clients start themselves, in both eras.
import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { GENERATIONS } from './language/client.ts'
import { type HttpBackend, legacyServer, modernServer } from './language/http-backend.ts'
import { everything } from './language/official.ts'
import { type Site, site, stdioClient } from './language/process.ts'
import { fileScope } from './language/scope.ts'
import { type StdioBackend, stdioServer } from './language/stdio-backend.ts'

const scope = fileScope()
let where: Site
let modern: HttpBackend
let legacy: HttpBackend
let piped: StdioBackend

before(async () => {
  modern = await modernServer(scope)
  legacy = await legacyServer(scope)
  piped = await stdioServer(scope, 'v1')
  where = await site(scope, { backends: { modern, legacy, piped, everything } })
})

for (const generation of GENERATIONS) {
  suite(`toolgate stdio with a ${generation} client`, () => {
    test('lists, calls, reports progress and cancels before backends of both eras and transports', async () => {
      await using client = await stdioClient(where, generation)
      assert.equal(client.era, generation === 'modern' || generation === 'auto' ? 'modern' : 'legacy')
      const names = (await client.tools()).map(({ name }) => name)
      for (const name of ['modern_echo', 'legacy_echo', 'piped_echo', 'everything_get-sum'])
        assert.ok(names.includes(name), name)
      assert.match((await client.call('everything_get-sum', { a: 1, b: 2 })).text, /3/)
      assert.equal((await client.call('modern_fail')).isError, true)
      await assert.rejects(client.call('modern_ecko'), /Unknown tool: modern_ecko/)

      for (const [name, backend] of Object.entries({ modern, legacy, piped })) {
        const from = backend.journal.entries.length
        const stop = new AbortController()
        const progressed = Promise.withResolvers<number>()
        const call = client.call(
          `${name}_wait`,
          {},
          { signal: stop.signal, onProgress: ({ progress }) => progressed.resolve(progress) },
        )
        assert.equal(await Promise.race([progressed.promise, call]), 1)
        stop.abort()
        await assert.rejects(call)
        await backend.journal.until(({ kind }) => kind === 'cancelled', from)
      }
    })

    test('ends with its children when the client closes its end', async () => {
      await using client = await stdioClient(where, generation)
      await client.call('piped_echo')
      // A client that finds out the era by itself starts a gateway only for that, which is gone by now.
      const [pid] = piped.running()
      assert.notEqual(pid, undefined)
      await client.close()
      await piped.lives.until((life) => life.event === 'ended' && life.pid === pid)
    })
  })
}
