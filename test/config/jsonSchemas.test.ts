import { assert, describe, it } from "@effect/vitest"
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js"
import { jsonSchemas } from "../../src/config/Config.ts"
import { initConfig, oci } from "./documents.ts"

const ajv = new Ajv2020({ strict: false })
const schemas = jsonSchemas()
const check: { readonly [F in "libcontainer" | "oci"]: ValidateFunction } = {
  libcontainer: ajv.compile(schemas.libcontainer),
  oci: ajv.compile(schemas.oci)
}
const accepts = (format: "libcontainer" | "oci", text: string): boolean => check[format](JSON.parse(text))

describe("the JSON Schemas", () => {
  it("accept documents that decode", () => {
    assert.isTrue(
      accepts("oci", oci({ hooks: null, mounts: [{ destination: "/x", options: ["ro"] }] })),
      JSON.stringify(check.oci.errors)
    )
    assert.isTrue(
      accepts(
        "oci",
        oci({ process: { rlimits: [{ type: "RLIMIT_CPU", soft: 2n ** 64n - 1n, hard: 2n ** 64n - 1n }] } })
      ),
      JSON.stringify(check.oci.errors)
    )
    assert.isTrue(accepts("oci", oci({ future: true })))
    assert.isTrue(accepts("oci", oci({ process: { capabilities: { bounding: ["CAP_FUTURE"] } } })))
    assert.isTrue(accepts("libcontainer", initConfig({ routes: null, capabilities: ["KILL"] })))
    assert.isTrue(accepts("libcontainer", JSON.stringify({ args: ["a"], rootfs: "/r" })))
  })
  it("refuse documents that do not", () => {
    assert.isFalse(accepts("oci", "{}"))
    assert.isFalse(accepts("oci", oci({ linux: { namespaces: [{ type: "moun" }] } })))
    assert.isFalse(accepts("oci", oci({ process: { rlimits: [{ type: "RLIMIT_CPU", soft: -1, hard: 1 }] } })))
    assert.isFalse(accepts("oci", oci({ process: { rlimits: [{ type: "RLIMIT_CPU", soft: 0.5, hard: 1 }] } })))
    assert.isFalse(accepts("libcontainer", initConfig({ foo: 1 })))
    assert.isFalse(accepts("libcontainer", initConfig({ devices: [{ type: "c" }] })))
  })
  it("are plain data", () => {
    assert.deepStrictEqual(JSON.parse(JSON.stringify(schemas)), schemas)
  })
})
