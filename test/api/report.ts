/** The public surface as text: what the declarations of an entry say, without words, in an order that does not move. */
import { dirname, join } from "node:path"
import ts from "typescript"

/** Declarations by their path from `dist`, such as `internal/model/video.d.ts`. */
export type Declarations = ReadonlyMap<string, string>

/** What `npm run build` would write into `dist/*.d.ts`; what is wrong with types is for `npm run types` to say. */
export const emit = (config: string): Declarations => {
  const parsed = ts.getParsedCommandLineOfConfigFile(
    config,
    { noCheck: true, emitDeclarationOnly: true, declarationMap: false, sourceMap: false, outDir: "/dist" },
    {
      ...ts.sys,
      onUnRecoverableConfigFileDiagnostic: ({ messageText }) => {
        throw new Error(ts.flattenDiagnosticMessageText(messageText, "\n"))
      }
    }
  )!
  const declarations = new Map<string, string>()
  const { diagnostics } = ts.createProgram(parsed.fileNames, parsed.options)
    .emit(undefined, (path, text) => declarations.set(path.replace(/^.*?\/dist\//, ""), text), undefined, true)
  const [first] = diagnostics
  if (first !== undefined) throw new Error(ts.flattenDiagnosticMessageText(first.messageText, "\n"))
  return declarations
}

/** A name where it is declared. */
interface Place {
  readonly file: string
  readonly name: string
}

interface Module {
  readonly file: string
  /** By the name that the module itself uses; overloads and a type with its value have one. */
  readonly locals: ReadonlyMap<string, ReadonlyArray<ts.Statement>>
  /** What a name stands for that was imported; of a whole module the name is `*`. */
  readonly imports: ReadonlyMap<string, { readonly from: string; readonly name: string }>
  /** By the name that others use. */
  readonly exports: ReadonlyMap<string, { readonly from: string | undefined; readonly name: string }>
  /** The modules of which everything is exported. */
  readonly stars: ReadonlyArray<string>
}

const names = (statement: ts.Statement): ReadonlyArray<string> => {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const { name } = statement as ts.DeclarationStatement
  return name === undefined ? [] : [name.text]
}

const isExported = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) &&
  ts.getModifiers(statement)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true

/** The module that a file imports by this name. */
const resolve = (file: string, specifier: string): string =>
  specifier.startsWith(".") ? join(dirname(file), specifier).replace(/[.]js$/, ".d.ts") : specifier

const parse = (file: string, text: string): Module => {
  const locals = new Map<string, Array<ts.Statement>>()
  const imports = new Map<string, { readonly from: string; readonly name: string }>()
  const exports = new Map<string, { readonly from: string | undefined; readonly name: string }>()
  const stars: Array<string> = []
  const target = (specifier: ts.Expression) => resolve(file, (specifier as ts.StringLiteral).text)
  for (const statement of ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true).statements) {
    if (ts.isImportDeclaration(statement)) {
      const from = target(statement.moduleSpecifier)
      const bindings = statement.importClause?.namedBindings
      if (bindings !== undefined && ts.isNamespaceImport(bindings)) imports.set(bindings.name.text, { from, name: "*" })
      else {
        for (const { name, propertyName } of bindings?.elements ?? []) {
          imports.set(name.text, { from, name: (propertyName ?? name).text })
        }
      }
    } else if (ts.isExportDeclaration(statement)) {
      const from = statement.moduleSpecifier === undefined ? undefined : target(statement.moduleSpecifier)
      const clause = statement.exportClause
      if (clause === undefined) stars.push(from!)
      else if (ts.isNamespaceExport(clause)) exports.set(clause.name.text, { from, name: "*" })
      else {
        for (const { name, propertyName } of clause.elements) {
          exports.set(name.text, { from, name: (propertyName ?? name).text })
        }
      }
    } else {
      for (const name of names(statement)) {
        locals.set(name, [...locals.get(name) ?? [], statement])
        if (isExported(statement)) exports.set(name, { from: undefined, name })
      }
    }
  }
  return { file, locals, imports, exports, stars }
}

const rank = (member: string) => ["null", "undefined"].indexOf(member)

/** What an import type names: `import("./internal/model/video.js").Video`. */
const importType = (node: ts.ImportTypeNode) => ({
  specifier: ((node.argument as ts.LiteralTypeNode).literal as ts.StringLiteral).text,
  name: node.qualifier === undefined
    ? undefined
    : ts.isIdentifier(node.qualifier)
    ? node.qualifier
    : leftmost(node.qualifier)
})

const leftmost = (name: ts.EntityName): ts.Identifier => ts.isIdentifier(name) ? name : leftmost(name.left)

/** A declaration as a reader needs it: no words, no `export`, and a union in an order that does not depend on the compiler. */
const text = (statement: ts.Statement): string => {
  const printer = ts.createPrinter({ removeComments: true })
  const source = statement.getSourceFile()
  const print = (node: ts.Node) => printer.printNode(ts.EmitHint.Unspecified, node, source)
  const onOneLine = <A extends ts.TypeNode>(node: A): A => {
    const short = print(node).replaceAll(/\s+/g, " ").length <= 40
    return short ? ts.setEmitFlags(node, ts.EmitFlags.SingleLine) : node
  }
  const { transformed: [node] } = ts.transform(statement, [(context) => (root) => {
    const visit = (node: ts.Node): ts.Node => {
      const visited = ts.visitEachChild(node, visit, context)
      if (ts.isUnionTypeNode(visited)) {
        const members = visited.types.map((type) => ({ type, text: print(type) }))
          .sort((a, b) => rank(a.text) - rank(b.text) || (a.text < b.text ? -1 : 1))
        return ts.factory.createUnionTypeNode(members.map(({ type }) => type))
      }
      if (ts.isTypeLiteralNode(visited) || ts.isTupleTypeNode(visited)) return onOneLine(visited)
      // What is not to be imported is told by its name, as where it was imported above.
      if (ts.isImportTypeNode(visited) && importType(visited).specifier.startsWith(".") && visited.qualifier) {
        return visited.isTypeOf
          ? ts.factory.createTypeQueryNode(visited.qualifier, visited.typeArguments)
          : ts.factory.createTypeReferenceNode(visited.qualifier, visited.typeArguments)
      }
      return visited.kind === ts.SyntaxKind.ExportKeyword && node.parent === statement ? undefined! : visited
    }
    return visit(root) as ts.Statement
  }])
  return print(node!)
}

interface Mention {
  readonly name: string
  /** Of a module, if `name` may stand for one: `Ref` of `entity.Ref`. */
  readonly member: string | undefined
  /** Of an import type. */
  readonly specifier: string | undefined
}

/** The names of others that a declaration uses. */
const used = (statement: ts.Statement): ReadonlyArray<Mention> => {
  const found: Array<Mention> = []
  const visit = (node: ts.Node): void => {
    if (ts.isImportTypeNode(node)) {
      const { name, specifier } = importType(node)
      if (name !== undefined) found.push({ name: name.text, member: undefined, specifier })
      node.typeArguments?.forEach(visit)
      return
    }
    if (ts.isIdentifier(node)) {
      const { parent } = node
      const [left, right] = ts.isQualifiedName(parent)
        ? [parent.left, parent.right]
        : ts.isPropertyAccessExpression(parent)
        ? [parent.expression, parent.name]
        : [undefined, undefined]
      if (right !== node) {
        found.push({ name: node.text, member: left === node ? right?.text : undefined, specifier: undefined })
      }
    }
    ts.forEachChild(node, visit)
  }
  visit(statement)
  return found
}

/**
 * The report on one entry; `subpaths` are the names by which users import the entries. First what it exports, by name; what comes from a module that users cannot import stands there
 * as if it were its own. Then what these mention and nobody can import, which is part of the surface all the same.
 */
export const report = (entry: string, declarations: Declarations, subpaths: ReadonlyMap<string, string>): string => {
  const modules = new Map<string, Module>()
  const module = (file: string): Module => {
    const known = modules.get(file)
    if (known !== undefined) return known
    const found = declarations.get(file)
    if (found === undefined) throw new Error(`${entry}: no declarations of ${file}`)
    const parsed = parse(file, found)
    modules.set(file, parsed)
    return parsed
  }
  const isOwn = (file: string) => declarations.has(file)
  const isPublic = (file: string) => subpaths.has(file)
  const specifierOf = ({ file }: Place) => subpaths.get(file) ?? file
  const as = (name: string, other: string) => name === other ? name : `${name} as ${other}`

  /** Where a name that others use of a module is declared: in that module, or in one that it takes it from. */
  const exported = (file: string, name: string): Place | undefined => {
    const { exports, stars } = module(file)
    const found = exports.get(name)
    if (found === undefined) {
      return stars.filter(isOwn).map((star) => exported(star, name)).find((place) => place !== undefined)
    }
    return found.from === undefined ? local(file, found.name) : follow(found.from, found.name)
  }
  const follow = (from: string, name: string): Place | undefined =>
    name === "*" || !isOwn(from) || (isPublic(from) && from !== entry) ? { file: from, name } : exported(from, name)
  const local = (file: string, name: string): Place | undefined => {
    const { imports, locals } = module(file)
    if (locals.has(name)) return { file, name }
    const imported = imports.get(name)
    return imported && follow(imported.from, imported.name)
  }

  const imports = new Set<string>()
  const shown = new Map<string, Place>()
  const key = ({ file, name }: Place) => `${file}#${name}`
  /** What a declaration mentions that is to be shown as well; what it takes from elsewhere is remembered as an import. */
  const mentions = ({ file, name }: Place): ReadonlyArray<Place> => {
    const { imports: imported, locals } = module(file)
    return (locals.get(name) ?? []).flatMap(used).flatMap(({ member, name, specifier }) => {
      const from = specifier === undefined ? imported.get(name) : { from: resolve(file, specifier), name }
      if (specifier === undefined && locals.has(name)) return [{ file, name }]
      // Not ours: a type parameter, a property, a global, an import type of another package.
      if (from === undefined || (specifier !== undefined && !isOwn(from.from))) return []
      const inHidden = from.name === "*" && isOwn(from.from) && !isPublic(from.from)
      const place = inHidden
        ? member === undefined ? undefined : exported(from.from, member)
        : follow(from.from, from.name)
      if (place === undefined) return []
      if (isOwn(place.file) && (place.file === entry || !isPublic(place.file))) return [place]
      imports.add(
        place.name === "*"
          ? `import * as ${name} from "${specifierOf(place)}"`
          : `import { ${as(place.name, name)} } from "${specifierOf(place)}"`
      )
      return []
    })
  }
  const declared = ({ file, name }: Place) => module(file).locals.get(name)!.map(text)
  const bySpelling = (a: string, b: string) => a < b ? -1 : 1

  const surface = (file: string): ReadonlyArray<string> => {
    const { exports, stars } = module(file)
    return [...exports.keys(), ...stars.filter(isOwn).flatMap(surface)]
  }
  const stars = module(entry).stars.filter((from) => !isOwn(from)).map((from) => `export * from "${from}"`)
  const exports = [...new Set(surface(entry))].sort(bySpelling).map((name) => {
    const place = exported(entry, name)
    if (place === undefined) throw new Error(`${entry}: ${name} leads nowhere`)
    if (!isOwn(place.file) || place.name === "*" || (place.file !== entry && isPublic(place.file))) {
      return place.name === "*"
        ? `export * as ${name} from "${specifierOf(place)}"`
        : `export { ${as(place.name, name)} } from "${specifierOf(place)}"`
    }
    shown.set(key(place), place)
    return place.name === name
      ? declared(place).map((text) => `export ${text}`).join("\n")
      : [...declared(place), `export { ${as(place.name, name)} }`].join("\n")
  })

  const hidden: Array<Place> = []
  for (const queue = [...shown.values()]; queue.length > 0;) {
    for (const place of mentions(queue.pop()!)) {
      if (shown.has(key(place))) continue
      shown.set(key(place), place)
      hidden.push(place)
      queue.push(place)
    }
  }
  // By name before file, so that a declaration that moves stays where it is.
  const order = ({ file, name }: Place) => `${name} ${file}`
  const within = hidden.sort((a, b) => bySpelling(order(a), order(b))).map((place) => declared(place).join("\n"))
  return [
    ...stars,
    [...imports].sort(bySpelling).join("\n"),
    ...exports,
    ...(within.length === 0 ? [] : ["// Mentioned above, but not to be imported.", ...within])
  ].filter((part) => part !== "").join("\n\n")
}
