/**
 * Reading a container's configuration, in either format. Whatever is wrong with it is a {@link ConfigError} that names
 * all problems at once.
 *
 * **Example** (From a text)
 *
 * ```ts
 * import * as Result from "effect/Result"
 * import { decode } from "runfx/config/Config"
 *
 * const result = decode(text, "/srv/bundle")
 * if (Result.isFailure(result)) console.error(result.failure.message)
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { names as capabilityNames } from "./capabilities.ts"
import { ConfigError, type Notice, notice, type Problem, problem } from "./ConfigError.ts"
import type { Container, Process } from "./Container.ts"
import * as Decode from "./decode.ts"
import { parseDocument } from "./Json.ts"
import * as Libcontainer from "./Libcontainer.ts"
import { isObsolete } from "./libcontainerNames.ts"
import * as Oci from "./Oci.ts"
import { names as ociNames } from "./ociNames.ts"
import * as OciSchema from "./OciSchema.ts"
import { remembered } from "./remembered.ts"
import { type Names, validate, validateProcess } from "./validate.ts"

/** The two formats: libcontainer's initConfig (or a bare Config), and the OCI `config.json`. */
export type Format = "libcontainer" | "oci"

/** A configuration that can be run. */
export interface Decoded {
  readonly format: Format
  readonly container: Container
  /** What the user may want to know of the document: what has no effect, and what was added. */
  readonly notices: ReadonlyArray<Notice>
  /** How the document calls the parts of the container, for problems that are found later. */
  readonly names: Names
}

/** Fields of the process that come from elsewhere, such as a command line. They replace those of the document. */
export interface ProcessOverrides {
  readonly args?: ReadonlyArray<string>
  readonly env?: ReadonlyArray<string>
  readonly cwd?: string
  /** `user[:group]`. */
  readonly user?: string
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const formatOf = (document: unknown): Format | undefined => {
  if (!isObject(document)) return undefined
  if ("ociVersion" in document || "process" in document || "root" in document) return "oci"
  return "config" in document || "rootfs" in document ? "libcontainer" : undefined
}

/** Two checks of a schema may find the same thing wrong. */
const once = (problems: ReadonlyArray<Problem>): ReadonlyArray<Problem> => {
  const seen = new Set<string>()
  return problems.filter(({ path, rule }) => {
    const key = `${path}: ${rule}`
    return !seen.has(key) && seen.add(key)
  })
}

const finish = (
  format: Format,
  container: Container,
  names: Names,
  problems: ReadonlyArray<Problem>,
  notices: ReadonlyArray<Notice>
): Result.Result<Decoded, ConfigError> =>
  problems.length === 0
    ? Result.succeed({ format, container, notices, names })
    : Result.fail(new ConfigError({ problems: once(problems) }))

const libcontainer = (document: unknown, overrides: ProcessOverrides): Result.Result<Decoded, ConfigError> => {
  const wrapped = Libcontainer.wrap(document)
  const input = isObject(wrapped) ? { ...wrapped, ...overrides } : wrapped
  const decoded = Decode.decode(Libcontainer.initConfig(), Libcontainer.partial(), input, ["config"])
  const nameIn = (name: string): string => Libcontainer.isBare(document) ? name.replace(/^config\./, "") : name
  const inDocument = (found: Problem): Problem => ({ ...found, path: nameIn(found.path) })
  const obsolete = decoded.unknown.filter(isObsolete).map(({ path }) =>
    problem(path, undefined, "has no effect: libcontainer has no such key any more")
  )
  const mistaken = [...decoded.problems, ...decoded.unknown.filter((found) => !isObsolete(found))]
  if (decoded.value === undefined) return Result.fail(new ConfigError({ problems: mistaken.map(inDocument) }))
  const { container, names, problems, warnings } = Libcontainer.toContainer(decoded.value)
  const found = validate(container, names, decoded.broken)
  const sections = Object.fromEntries(Object.entries(names.sections).map(([section, name]) => [section, nameIn(name)]))
  return finish(
    "libcontainer",
    container,
    { ...names, sections },
    [...mistaken, ...problems, ...found].map(inDocument),
    [...obsolete, ...warnings].map((found) => notice("warning", inDocument(found)))
  )
}

/**
 * An ambient capability must be permitted and inheritable too; the others have no effect. `runc spec` writes such a set,
 * so it is no news for the user.
 *
 * @see capabilities(7)
 */
const ambientNotices = ({ process: { capabilities } }: Container): ReadonlyArray<Notice> => {
  if (capabilities === undefined) return []
  const { ambient, inheritable, permitted } = capabilities
  const lost = ambient.filter((capability) => !permitted.includes(capability) || !inheritable.includes(capability))
  return lost.length === 0 ? [] : [
    notice(
      "debug",
      problem(
        "process.capabilities.ambient",
        lost.map((capability) => `CAP_${capabilityNames[capability]}`),
        "has no effect for what is not both permitted and inheritable"
      )
    )
  ]
}

const unknownNotices = (unknown: ReadonlyArray<Problem>): ReadonlyArray<Notice> =>
  unknown.map(({ path }) =>
    notice("warning", problem(path, undefined, "has no effect: the specification has no such property here"))
  )

const oci = (document: unknown, bundleDir: string): Result.Result<Decoded, ConfigError> => {
  const decoded = Decode.decode(OciSchema.Config, OciSchema.Partial, document, ["process", "linux"])
  if (decoded.value === undefined) return Result.fail(new ConfigError({ problems: decoded.problems }))
  const { container, notices: inDocument, problems } = Oci.toContainer(decoded.value, bundleDir)
  const found = validate(container, ociNames, decoded.broken)
  const told = new Set([...decoded.problems, ...problems].map(({ path }) => path))
  const notices = [...unknownNotices(decoded.unknown)]
  notices.push(...inDocument, ...ambientNotices(container))
  return finish("oci", container, ociNames, [
    ...decoded.problems,
    ...problems,
    ...found.filter(({ path }) => !told.has(path))
  ], notices)
}

/**
 * A process that can be run, with the notices of its document.
 *
 * @since 0.2.0
 */
export interface DecodedProcess {
  readonly process: Process
  readonly notices: ReadonlyArray<Notice>
}

/**
 * Decodes a process that is to run in a container which exists already: the OCI's `process` object, as a document of its own.
 * The rules are those for the container's first process.
 *
 * @since 0.2.0
 */
export const readProcess = (text: string, container: Container): Result.Result<DecodedProcess, ConfigError> =>
  Result.flatMap(parseDocument(text), (process) => {
    const document = { ociVersion: "1.2.0", root: { path: "/" }, process }
    const decoded = Decode.decode(OciSchema.Config, OciSchema.Partial, document, ["process"])
    if (decoded.value === undefined) return Result.fail(new ConfigError({ problems: decoded.problems }))
    const read = Oci.toContainer(decoded.value, "/")
    const told = [...decoded.problems, ...read.problems]
    const rules = validateProcess(read.container.process, container, ociNames, decoded.broken)
    const problems = [...told, ...rules.filter(({ path }) => !told.some((one) => one.path === path))]
      // the rest of the container was checked when it was made
      .filter(({ path }) => path.startsWith("process"))
    if (problems.length > 0) return Result.fail(new ConfigError({ problems }))
    const notices = [...unknownNotices(decoded.unknown), ...read.notices, ...ambientNotices(read.container)]
    return Result.succeed({
      process: read.container.process,
      notices: notices.filter(({ path }) => path.startsWith("process"))
    })
  })

/** As {@link readProcess}, without the notices. */
export const decodeProcess = (text: string, container: Container): Result.Result<Process, ConfigError> =>
  Result.map(readProcess(text, container), ({ process }) => process)

/**
 * Decodes libcontainer's initConfig, or a bare `Config` with the process fields (`args`, `env`, `cwd`, `user`) alongside
 * its own or given as `overrides`.
 */
export const decodeLibcontainer = (
  text: string,
  overrides: ProcessOverrides = {}
): Result.Result<Container, ConfigError> =>
  Result.map(
    remembered(text, { format: "libcontainer", overrides }, () =>
      Result.flatMap(parseDocument(text), (document) =>
        libcontainer(document, overrides))),
    ({ container }) =>
      container
  )

/** Without a bundle, its paths would be taken from the directory that the runtime happens to be in. */
const absolute = (bundleDir: string): Result.Result<string, ConfigError> =>
  typeof bundleDir === "string" && bundleDir.startsWith("/")
    ? Result.succeed(bundleDir)
    : Result.fail(new ConfigError({ problems: [problem("bundleDir", bundleDir, "must be an absolute path")] }))

/** Decodes an OCI `config.json`; relative paths of the root and of bind sources are taken from the absolute `bundleDir`. */
export const decodeOci = (text: string, bundleDir: string): Result.Result<Container, ConfigError> =>
  Result.map(
    remembered(text, { format: "oci", bundleDir }, () =>
      Result.flatMap(parseDocument(text), (document) =>
        Result.flatMap(absolute(bundleDir), (bundle) =>
          oci(document, bundle)))),
    ({ container }) =>
      container
  )

/**
 * Decodes either format, and returns which one it was, with the notices. `overrides` are for libcontainer's. If the last few
 * documents have been the same more than once, the result is the same object, and can't be changed.
 */
export const decode = (
  text: string,
  bundleDir: string,
  overrides: ProcessOverrides = {}
): Result.Result<Decoded, ConfigError> =>
  remembered(text, { format: "any", bundleDir, overrides }, () => decodeEither(text, bundleDir, overrides))

const decodeEither = (
  text: string,
  bundleDir: string,
  overrides: ProcessOverrides
): Result.Result<Decoded, ConfigError> =>
  Result.flatMap(parseDocument(text), (document) => {
    switch (formatOf(document)) {
      case "libcontainer":
        return libcontainer(document, overrides)
      case "oci":
        return Result.flatMap(absolute(bundleDir), (bundle) => oci(document, bundle))
      case undefined:
        return Result.fail(
          new ConfigError({
            problems: [
              problem(
                "",
                undefined,
                "must be an OCI config.json (with ociVersion, process, root) or libcontainer's initConfig (with config) or Config (with rootfs)"
              )
            ]
          })
        )
    }
  })

/** The JSON Schemas (draft 2020-12) of both formats, as plain data, for editors and other checkers. */
export const jsonSchemas = (): { readonly libcontainer: object; readonly oci: object } => ({
  libcontainer: {
    ...head,
    title: "libcontainer initConfig, or a bare Config with the process fields beside it",
    anyOf: [
      schemaOf(Libcontainer.initConfig(), "error"),
      schemaOf(Libcontainer.bareConfig(), "error")
    ]
  },
  oci: { ...head, title: "OCI runtime configuration for Linux", ...schemaOf(OciSchema.Config, "ignore") }
})

const head = { $schema: "https://json-schema.org/draft/2020-12/schema" }

const schemaOf = (schema: Schema.Constraint, onExcessProperty: "ignore" | "error"): object =>
  withNulls(Schema.toJsonSchemaDocument(schema, { onExcessProperty }).schema) as object

/** Go writes `null` for what is not set, if the property may be left out. */
const withNulls = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(withNulls)
  if (!isObject(schema)) return schema
  const inner = Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, withNulls(value)]))
  if (!isObject(inner["properties"])) return inner
  const required = Array.isArray(schema["required"]) ? schema["required"] : []
  return {
    ...inner,
    properties: Object.fromEntries(
      Object.entries(inner["properties"]).map(([key, value]) =>
        required.includes(key) ? [key, value] : [key, { anyOf: [value, { type: "null" }] }]
      )
    )
  }
}
