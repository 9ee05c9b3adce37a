/// <reference types="vitest/config" />
import { gzipSync } from 'node:zlib'
import react from '@vitejs/plugin-react'
import { defineConfig, type Plugin } from 'vite'

// The Go server sends these as they are, so that no request compresses anything.
function precompress(): Plugin {
  return {
    name: 'precompress',
    apply: 'build',
    generateBundle: {
      order: 'post',
      handler(_, bundle) {
        for (const [name, file] of Object.entries(bundle)) {
          const body = file.type === 'chunk' ? file.code : file.source
          if (!/\.(js|css|svg)$/.test(name) || body.length < 1024) continue
          this.emitFile({ type: 'asset', fileName: `${name}.gz`, source: gzipSync(body, { level: 9 }) })
        }
      },
    },
  }
}

// HINOMI_URL names the running Hinomi that the development server forwards to.
const backend = process.env.HINOMI_URL ?? 'http://127.0.0.1:4300'

export default defineConfig({
  plugins: [react(), precompress()],
  build: { outDir: '../dist', emptyOutDir: true, target: 'es2023', chunkSizeWarningLimit: 700 },
  server: {
    proxy: { '^/(api|loki|tempo|alertmanager)/': backend },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
})
