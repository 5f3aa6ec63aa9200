// Preloaded into the gateway by start.ts (`node --import`): when start.ts is gone, even after a SIGKILL, the gateway
// shuts down as after a SIGTERM. It knows by the IPC channel, which must not keep the gateway alive by itself.
if (process.channel !== undefined) {
  process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'))
  process.channel?.unref()
}
