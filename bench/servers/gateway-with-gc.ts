/**
 * The gateway's program in a process that says how much memory it uses, after collecting the garbage: for the memory
 * benchmark only. Started with `--expose-gc` and a channel; everything else is the program as it comes.
 */
const COLLECTIONS = 4

process.on('message', () => {
  // What one collection finalises, the next one frees.
  const collect = (left: number): void => {
    globalThis.gc?.()
    if (left > 0) setImmediate(collect, left - 1)
    else process.send?.(process.memoryUsage())
  }
  collect(COLLECTIONS)
})

await import('../../src/main.ts')
