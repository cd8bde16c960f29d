/** What a declaration looks like to who uses it: its signature, and what it has. */
import {
  isArrowFunction,
  isAsExpression,
  isCallExpression,
  isClassDeclaration,
  isExpressionWithTypeArguments,
  isFunctionDeclaration,
  isInterfaceDeclaration,
  isModuleDeclaration,
  isObjectLiteralExpression,
  isPropertyAssignment,
  isSpreadAssignment,
  isTypeAliasDeclaration,
  isTypeLiteralNode,
  isVariableDeclaration,
  isVariableStatement
} from "typescript/unstable/ast/is"
import { commentBefore, markdownOf } from "./comments.mjs"

/** @typedef {import("typescript/unstable/ast").Node} Node */
/** @typedef {import("typescript/unstable/sync").Checker} Checker */
/** @typedef {{ readonly name: string, readonly type: string, readonly text: string }} Member */
/**
 * @typedef {object} Shown
 * @property {string} signature
 * @property {ReadonlyArray<Member>} members
 * @property {string} comment its doc comment, as Markdown
 */

/** So many letters of a type that the compiler has found out are shown: an author's own words have no such bound. */
const longest = 400

/**
 * Lines of code as one line: where a line ends a member of a type, by a semicolon.
 *
 * @param {string} text
 */
const joined = (text) =>
  text.replaceAll(/([^\s{([,|&<=:;]|(?<!=)>)\n\s*(?=[\w"(<[])/g, "$1; ").replaceAll(/\s*\n\s*/g, " ")
    .replaceAll(/([(<[]) | ([)>\]])/g, "$1$2").trim()

/**
 * Code without comments, in a line if it has room there.
 *
 * @param {string} text
 */
const compact = (text) => {
  const bare = text.replaceAll(/^[ \t]*\/\*\*?(?:(?!\*\/)[\s\S])*\*\/\n?/gm, "").replaceAll(/^[ \t]*\/\/.*\n/gm, "")
    .trim()
  const line = joined(bare)
  return line.length <= 110 ? line : bare
}

/**
 * A type in a line, for a table.
 *
 * @param {string} text
 */
const inline = (text) => {
  const line = joined(text.replaceAll(/[ \t]*\/\*\*?(?:(?!\*\/)[\s\S])*\*\/\s*/g, "").replaceAll(/[ \t]*\/\/.*\n/g, ""))
  return line.length <= longest ? line : `${line.slice(0, longest)} …`
}

/** The statement that a declaration is: that of its `const`, which has the comment.
 *
 * @param {Node} node
 * @returns {Node}
 */
const statementOf = (node) =>
  isVariableDeclaration(node) && isVariableStatement(node.parent.parent) ? node.parent.parent : node

/**
 * The doc comment of a declaration, as it is written.
 *
 * @param {Node} node
 */
export const ownComment = (node) => {
  const statement = statementOf(node)
  const file = node.getSourceFile()
  // with its comments, which belong to the node's text
  return commentBefore(file.text, statement.getFullStart(), statement.getStart(file))
}

/** @param {Node} node */
const commentOf = (node) => markdownOf(ownComment(node))

/**
 * From the start of a node up to another one.
 *
 * @param {Node} node
 * @param {number} end
 */
const textTo = (node, end) => {
  const file = node.getSourceFile()
  return file.text.slice(node.getStart(file), end)
}

/**
 * The members of an interface, a class or the type of an object, those that are private aside.
 *
 * @param {ReadonlyArray<Node>} nodes
 * @returns {ReadonlyArray<Member>}
 */
const membersOf = (nodes) =>
  nodes.flatMap((node) => {
    const text = node.getText().replace(/^(?:readonly|override|declare) (?=\S)/gm, "")
    if (/^(?:private|#|static #|constructor\b)/.test(text)) return []
    const { body, initializer } =
      /** @type {{ readonly body?: Node, readonly initializer?: Node }} */ (/** @type {unknown} */ (node))
    const value = body ?? initializer
    const whole = value === undefined ? text : text.slice(0, text.length - value.getText().length)
    const [, name = "", type = ""] =
      /^((?:get |static )*(?:\[[^\]]*\]|"[^"]*"|\w+)\??)(?::\s*|(?=[<(]))([\s\S]*)$/.exec(
        whole.replace(initializer === undefined ? "" : /\s*=\s*;?\s*$/, "").trim()
      ) ?? []
    if (name === "" || name === "get message" || name.startsWith("[")) return []
    return [{ name: name.replace(/^get /, ""), type: inline(type.replace(/^\(\): /, "")), text: commentOf(node) }]
  })

/**
 * A class: with the fields of what it extends, if its words are there (`Data.TaggedError("Tag")<{ … }>`).
 *
 * @param {import("typescript/unstable/ast").ClassDeclaration} node
 */
const classOf = (node) => {
  const base = node.heritageClauses?.[0]?.types[0]
  const given = base !== undefined && isExpressionWithTypeArguments(base) ? base.typeArguments?.[0] : undefined
  const inner = base !== undefined && isCallExpression(base.expression) && isCallExpression(base.expression)
    ? /** @type {{ readonly typeArguments?: ReadonlyArray<Node> }} */ (/** @type {unknown} */ (base.expression
      .expression))
      .typeArguments?.at(-1)
    : undefined
  const fields = [given, inner].find((type) => type !== undefined && isTypeLiteralNode(type))
  const of = fields !== undefined && isTypeLiteralNode(fields) ? membersOf([...fields.members]) : []
  const parent = base === undefined ? "" : ` extends ${base.expression.getText().replace(/<[\s\S]*>(?=\()/, "")}`
  return {
    signature: compact(`class ${node.name?.text ?? ""}${parent}`),
    members: [...of, ...membersOf([...node.members])]
  }
}

/**
 * The header of a step or a pipeline, as its author has written it.
 *
 * @param {import("typescript/unstable/ast").CallExpression} call
 * @returns {ReadonlyArray<Member>}
 */
const headerOf = (call) =>
  call.arguments.filter(isObjectLiteralExpression).flatMap(({ properties }) =>
    properties.filter(isPropertyAssignment).map((property) => ({
      name: property.name.getText(),
      type: inline(property.initializer.getText()),
      text: ""
    }))
  ).filter(({ name }) => ["doc", "inputs", "calls", "requires", "provides", "reversal"].includes(name))

/** @param {string} text */
const cut = (text) => text.length <= longest ? text : `${text.slice(0, longest)} …`

/**
 * A value: with the words of its author as far as these say what it is, else as the compiler has found out.
 *
 * @param {import("typescript/unstable/ast").VariableDeclaration} node
 * @param {Checker} checker
 */
const valueOf = (node, checker) => {
  const name = node.name.getText()
  const { initializer, type } = node
  const inferred = () => {
    const found = checker.getTypeAtLocation(node.name)
    return cut(found === undefined ? "" : checker.typeToString(found, node))
  }
  if (type !== undefined) return { signature: compact(`const ${name}: ${type.getText()}`), members: [] }
  if (initializer !== undefined && isArrowFunction(initializer) && initializer.type !== undefined) {
    const head = textTo(initializer, initializer.type.getEnd())
    return { signature: compact(`const ${name} = ${head}`), members: [] }
  }
  if (initializer !== undefined && isCallExpression(initializer)) {
    const made = initializer.expression.getText()
    if (made === "Step.make" || made === "Pipeline.make") {
      const steps = initializer.arguments.slice(1).map((step) => step.getText().replace(/^\.\.\.(\w+)\.steps$/, "$1"))
      const list = made === "Step.make" ? [] : [{ name: "steps", type: steps.join(" → "), text: "" }]
      return { signature: `const ${name} = ${made}(…)`, members: [...headerOf(initializer), ...list] }
    }
  }
  if (initializer !== undefined && isAsExpression(initializer) && isObjectLiteralExpression(initializer.expression)) {
    const names = initializer.expression.properties.map((property) =>
      isSpreadAssignment(property) ? property.getText() : property.name.getText()
    )
    return { signature: cut(`const ${name} = { ${names.join(", ")} }`), members: [] }
  }
  return { signature: compact(`const ${name}: ${inferred()}`), members: [] }
}

/**
 * @param {Node} node
 * @param {Checker} checker
 */
const shapeOf = (node, checker) => {
  if (isVariableDeclaration(node)) return valueOf(node, checker)
  if (isClassDeclaration(node)) return classOf(node)
  if (isInterfaceDeclaration(node)) {
    const { members } = node
    const end = members.pos - 1
    return { signature: compact(textTo(node, end).replace(/^export /, "")), members: membersOf([...members]) }
  }
  if (isTypeAliasDeclaration(node)) {
    const fields = isTypeLiteralNode(node.type) ? membersOf([...node.type.members]) : []
    const text = fields.length > 0 ? `${textTo(node, node.type.getStart())}{ … }` : node.getText()
    return { signature: compact(text.replace(/^export /, "")), members: fields }
  }
  if (isFunctionDeclaration(node)) {
    const end = node.body?.getStart() ?? node.getEnd()
    return { signature: compact(textTo(node, end).replace(/^export /, "")), members: [] }
  }
  if (isModuleDeclaration(node)) {
    return { signature: compact(node.getText().replace(/^export /, "")), members: [] }
  }
  throw new Error(`${node.getSourceFile().fileName}: a declaration of a kind that has no page: ${node.getText()}`)
}

/**
 * @param {Node} node
 * @param {Checker} checker
 * @returns {Shown}
 */
export const show = (node, checker) => ({ ...shapeOf(node, checker), comment: commentOf(node) })
