/** The compiler's language server, as an editor has it. */
import { spawn } from "node:child_process"
import { readFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join } from "node:path"
import process from "node:process"
import { pathToFileURL } from "node:url"

const tsc = join(dirname(createRequire(import.meta.url).resolve("typescript/package.json")), "bin/tsc")

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly items?: ReadonlyArray<unknown> }
  readonly result?: { readonly contents?: { readonly value: string } }
  readonly error?: unknown
}

/** Takes whole messages out of what has come, and returns the rest. */
const takeMessages = (bytes: Buffer, take: (message: Message) => void): Buffer => {
  const end = bytes.indexOf("\r\n\r\n")
  if (end < 0) return bytes
  const length = Number(/Content-Length: (\d+)/.exec(bytes.subarray(0, end).toString())?.[1])
  const next = end + 4 + length
  if (bytes.length < next) return bytes
  take(JSON.parse(bytes.subarray(end + 4, next).toString()) as Message)
  return takeMessages(bytes.subarray(next), take)
}

/** What an editor shows of the name that stands behind each mark in a file, by the name. */
export const hoversOf = async (file: string, mark: string): Promise<ReadonlyMap<string, string>> => {
  const server = spawn(process.execPath, [tsc, "--lsp", "--stdio"], { stdio: ["pipe", "pipe", "ignore"] })
  const waiting = new Map<
    number,
    { readonly done: (message: Message) => void; readonly lost: (error: Error) => void }
  >()
  server.on("close", () => {
    for (const { lost } of waiting.values()) lost(new Error("the language server has ended"))
  })
  const send = (message: object): void => {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message })
    server.stdin.write(`Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`)
  }
  let bytes: Buffer = Buffer.alloc(0)
  server.stdout.on("data", (more: Buffer) => {
    bytes = takeMessages(Buffer.concat([bytes, more]), (message) => {
      if (message.id === undefined) return
      // its own questions: it has no configuration
      if (message.method !== undefined) send({ id: message.id, result: message.params?.items?.map(() => null) ?? null })
      else waiting.get(message.id)?.done(message)
    })
  })
  let asked = 0
  const ask = (method: string, params: object): Promise<Message> =>
    new Promise((done, lost) => {
      const id = ++asked
      waiting.set(id, { done: (message) => (waiting.delete(id), done(message)), lost })
      send({ id, method, params })
    })
  try {
    const root = pathToFileURL(process.cwd()).href
    const uri = pathToFileURL(file).href
    const text = readFileSync(file, "utf8")
    await ask("initialize", {
      processId: process.pid,
      rootUri: root,
      workspaceFolders: [{ uri: root, name: "root" }],
      capabilities: { textDocument: { hover: { contentFormat: ["plaintext"] } } }
    })
    send({ method: "initialized", params: {} })
    send({
      method: "textDocument/didOpen",
      params: { textDocument: { uri, languageId: "typescript", version: 1, text } }
    })
    const hovers = new Map<string, string>()
    for (const [line, words] of text.split("\n").entries()) {
      for (const { 0: all, 1: name, index } of words.matchAll(new RegExp(`${mark} *(\\w+)`, "g"))) {
        const position = { line, character: index + all.length - name!.length }
        const { error, result } = await ask("textDocument/hover", { textDocument: { uri }, position })
        hovers.set(name!, result?.contents?.value ?? `nothing: ${JSON.stringify(error)}`)
      }
    }
    return hovers
  } finally {
    server.kill("SIGKILL")
  }
}
