import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { launch } from '../processes.ts'
import type { Proxy } from '../proxy.ts'

/** A port that was free a moment ago: nginx cannot be given port 0 and asked which one it got. */
const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject)
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address()
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0))
    })
  })

/** One worker, connections kept alive on both sides for ever, nothing logged, bodies kept in memory. */
const configuration = (port: number, backend: URL, workdir: string): string => `
daemon off;
worker_processes 1;
pid ${workdir}/nginx.pid;
error_log stderr error;
events { worker_connections 1024; }
http {
  access_log off;
  keepalive_requests 1000000000;
  client_body_buffer_size 64k;
  client_body_temp_path ${workdir}/body;
  proxy_temp_path ${workdir}/proxy;
  fastcgi_temp_path ${workdir}/fastcgi;
  uwsgi_temp_path ${workdir}/uwsgi;
  scgi_temp_path ${workdir}/scgi;
  upstream backend {
    server ${backend.host};
    keepalive 256;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass http://backend;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`

/** The honesty check of the yardstick: a proxy in C that everybody knows. */
export const proxy: Proxy = {
  name: 'nginx',
  order: 20,
  start: async (backendUrl, workdir) => {
    if (spawnSync('nginx', ['-v']).status !== 0) return { kind: 'skipped', reason: 'nginx is not installed' }
    const port = await freePort()
    const backend = new URL(backendUrl)
    const config = join(workdir, 'nginx.conf')
    await writeFile(config, configuration(port, backend, workdir))
    const server = await launch('proxy', ['nginx', '-p', workdir, '-c', config, '-e', 'stderr'], workdir)
    return { kind: 'running', ...server, url: `http://127.0.0.1:${port}${backend.pathname}` }
  },
}
