// @ts-check
/**
 * A server that runs the scripts that it is sent, each in a sandbox of its own that has waited for it.
 *
 *     node examples/serve.mjs 8080
 *     curl --data-binary 'echo $((6 * 7))' localhost:8080
 */
import { once } from "node:events"
import { createServer } from "node:http"
import { text } from "node:stream/consumers"
import { ifPossible, pool } from "runfx/promise"

const sandboxes = await pool({
  size: 4,
  sandbox: { limits: { memory: ifPossible("64 MiB"), processes: 32, time: "5 seconds", output: "64 KiB" } },
  onEvent: (event) => {
    if (event.type !== "ready") console.error(`${event.type}: ${event.error.message}`)
  }
})

const server = createServer(async (request, response) => {
  // who goes away has the program ended
  const gone = new AbortController()
  response.on("close", () => gone.abort())
  try {
    const { exitCode, signal, stderr, stdout, timedOut } = await sandboxes.run(["sh", "-s"], {
      input: await text(request),
      overflow: "first",
      signal: gone.signal
    })
    response.setHeader("content-type", "application/json")
    response.end(JSON.stringify({ exitCode, signal, timedOut, stdout, stderr }))
  } catch (error) {
    if (!gone.signal.aborted) response.writeHead(503).end(String(error))
  }
})
server.listen(Number(process.argv[2] ?? 8080), "127.0.0.1")
await once(server, "listening")
console.log(JSON.stringify(server.address()))

process.once("SIGTERM", async () => {
  server.close()
  await sandboxes.close()
})
