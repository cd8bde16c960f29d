/**
 * Configurations that the schemas themselves give: each is accepted, or refused with problems that name their places;
 * nothing is thrown.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Config from "../../src/config/Config.ts"
import { ConfigError } from "../../src/config/ConfigError.ts"
import * as Libcontainer from "../../src/config/Libcontainer.ts"
import * as OciSchema from "../../src/config/OciSchema.ts"
import { validate } from "../../src/config/validate.ts"
import { report, runs } from "../support/flows/runs.ts"
import { jsonOf, samplesOf } from "../support/schemaGenerators.ts"
import { withoutTraces } from "../support/shortTraces.ts"

withoutTraces()

/** What is wrong with how a document was taken. */
const wrongWith = (text: string): string | undefined => {
  const decoded = Config.decode(text, "/srv/bundle")
  if (Result.isSuccess(decoded)) {
    const { container, names } = decoded.success
    return validate(container, names).length > 0 ? "it is accepted and not valid" : undefined
  }
  const error: unknown = decoded.failure
  if (!(error instanceof ConfigError)) return `it is refused with ${String(error)}`
  if (error.problems.length === 0) return "it is refused without a problem"
  const nameless = error.problems.find(({ path, rule }) => path === "" || rule === "")
  return nameless === undefined ? undefined : `a problem has no place: ${JSON.stringify(nameless)}`
}

/** A configuration with nothing wrong. */
const good = {
  ociVersion: "1.2.0",
  root: { path: "rootfs" },
  process: { args: ["/bin/true"], cwd: "/", capabilities: { permitted: ["CAP_KILL"], effective: ["CAP_KILL"] } },
  linux: { namespaces: [{ type: "mount" }, { type: "pid" }, { type: "ipc" }, { type: "network" }, { type: "uts" }] }
}

const formats = {
  "OCI's": OciSchema.Config,
  "libcontainer's": Libcontainer.initConfig(),
  "a bare one": Libcontainer.bareConfig()
}

describe("a configuration that its schema gives", () => {
  for (const [name, schema] of Object.entries(formats)) {
    it(`is accepted or refused with places: ${name}`, () => {
      const counts = { all: 0, accepted: 0 }
      const encode = Schema.encodeUnknownSync(schema as Schema.Codec<unknown, unknown>)
      const samples = samplesOf<unknown>(schema, runs(300))
      for (const sample of samples) {
        const text = jsonOf(encode(sample))
        counts.all++
        assert.isUndefined(wrongWith(text), text.slice(0, 2000))
        if (Result.isSuccess(Config.decode(text, "/srv/bundle"))) counts.accepted++
      }
      report(`${counts.all} configurations from the schema, ${name}; ${counts.accepted} accepted`)
      assert.strictEqual(counts.all, runs(300))
    })
  }

  it("is accepted or refused with places where a part of a good one is from the schema", () => {
    const counts = { all: 0, accepted: 0 }
    const { linux, process } = OciSchema.Config.fields
    const sections = [["process", process.fields], ["linux", linux.schema.fields]] as const
    const all = sections.flatMap(([section, fields]) =>
      Object.entries(fields).map((entry) => [section, ...entry] as const)
    )
    for (const [section, name, schema] of all) {
      const part = Schema.Struct({ [name]: schema as Schema.Codec<unknown, unknown> })
      const encode = Schema.encodeUnknownSync(part)
      for (const value of samplesOf<unknown>(part, runs(50))) {
        const text = jsonOf({ ...good, [section]: { ...good[section], ...encode(value) } })
        counts.all++
        assert.isUndefined(wrongWith(text), text.slice(0, 2000))
        if (Result.isSuccess(Config.decode(text, "/srv/bundle"))) counts.accepted++
      }
    }
    report(`${counts.all} good configurations with a part from the schema; ${counts.accepted} accepted`)
    assert.isAbove(counts.all, runs(1000))
    assert.isAbove(counts.accepted, counts.all / 10)
  })
})
