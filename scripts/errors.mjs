/**
 * Lists the typed errors of runfx as Markdown: `node scripts/errors.mjs > docs/errors.md`. A test compares.
 *
 * By the path of an import, and with the first sentence of the doc comment: what it means is said in one place.
 */
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import process from "node:process"
import { fileURLToPath } from "node:url"

const top = fileURLToPath(new URL("..", import.meta.url))

/** The errors of the rooms that a caller meets, in the order of a start. */
const rooms = [
  ["The configuration", "config"],
  ["Pipelines and calls", "engine", "native"],
  ["The steps", "steps"],
  ["The commands", "runtime"],
  ["`runfx/sandbox`", "sandbox"],
  ["`runfx/promise`", "promise"]
]

const declared =
  /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport class (\w+)(?:<[^>]*>)? extends (?:Data\.TaggedError|\w*Error\b)/g

/**
 * The first sentence of a doc comment, in a line.
 *
 * @param {string} comment
 */
const firstSentence = (comment) => {
  const [first = ""] = comment.replaceAll(/^ *\* ?/gm, "").trim().split("\n\n")
  const text = first.replaceAll("\n", " ")
  return (/^.*?[.:](?=\s|$)/.exec(text)?.[0] ?? text).replace(/[.:]$/, "").replaceAll("|", "\\|").replaceAll(
    /\{@link (\w+)\}/g,
    "`$1`"
  )
}

/** @param {string} room */
const errorsOf = (room) =>
  readdirSync(join(top, "src", room), { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"))
    .flatMap((file) =>
      [...readFileSync(join(top, "src", room, file), "utf8").matchAll(declared)].map(([, comment = "", name = ""]) => ({
        name,
        module: `${room}/${file.replace(/\.ts$/, "")}`,
        what: firstSentence(comment)
      }))
    ).toSorted((a, b) => a.name < b.name ? -1 : 1)

const table = rooms.map(([title, ...names]) =>
  [
    `## ${title}`,
    "",
    "| tag | what has happened | module |",
    "|---|---|---|",
    ...names.flatMap(errorsOf).map(({ module, name, what }) => `| \`${name}\` | ${what} | \`src/${module}.ts\` |`)
  ].join("\n")
)

process.stdout.write(`# Errors

Every typed error has a tag, by which it is caught. What a step fails with arrives as the \`reason\` of a \`PipelineError\`, whichever
process the step ran in; \`path\` is the way to that step. The compiler knows which reasons a start can have, those of your own
steps too:

\`\`\`ts
const code = Runtime.run(options).pipe(
  Effect.map(({ code }) => code),
  Effect.catchReason("PipelineError", "ProgramNotFound", ({ name }) => Effect.as(Effect.log(\`no \${name}\`), 127))
)
\`\`\`

A defect is a bug, in runfx or in a step of your own; it stays a defect. The annotation \`DiedIn\` of its cause names the step.

This page is written by \`node scripts/errors.mjs\`.

${table.join("\n\n")}
`)
