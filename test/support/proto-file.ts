/** Reads `.proto` files (proto3, as far as OTLP uses it) into descriptors, so that tests decode by the published text. */
import { create } from '@bufbuild/protobuf'
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  type EnumDescriptorProto,
  EnumDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FieldDescriptorProto_Type as Type,
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt'

const SCALARS: Readonly<Record<string, Type>> = {
  double: Type.DOUBLE,
  int64: Type.INT64,
  uint64: Type.UINT64,
  int32: Type.INT32,
  fixed64: Type.FIXED64,
  fixed32: Type.FIXED32,
  bool: Type.BOOL,
  string: Type.STRING,
  bytes: Type.BYTES,
  uint32: Type.UINT32,
  sfixed64: Type.SFIXED64,
  sint32: Type.SINT32,
}

const TOKEN = /"[^"]*"|[\w.]+|[{}();=[\],]/g

/** Walks through the tokens of a file. */
class Tokens {
  readonly #tokens: readonly string[]
  #next = 0

  constructor(text: string) {
    this.#tokens = text.replaceAll(/\/\/[^\n]*/g, '').match(TOKEN) ?? []
  }

  get done(): boolean {
    return this.#next >= this.#tokens.length
  }

  peek(): string {
    return this.#tokens[this.#next] ?? ''
  }

  take(expected?: string): string {
    const token = this.peek()
    this.#next++
    if (expected !== undefined && token !== expected) throw new Error(`expected ${expected}, found ${token}`)
    return token
  }

  /** Everything up to and with a token. */
  skip(last: string): void {
    while (!this.done && this.take() !== last);
  }
}

/**
 * Reads one file.
 *
 * @param name as others import it
 * @throws Error for syntax beyond what OTLP uses
 */
export function parseProto(name: string, text: string): FileDescriptorProto {
  const tokens = new Tokens(text)
  const file = create(FileDescriptorProtoSchema, { name, syntax: 'proto3' })
  while (!tokens.done) {
    const word = tokens.take()
    if (word === 'package') file.package = tokens.take()
    else if (word === 'import') file.dependency.push(tokens.take().replaceAll('"', ''))
    else if (word === 'message') file.messageType.push(message(tokens))
    else if (word === 'enum') file.enumType.push(enumeration(tokens))
    else if (word === 'service') skipBlock(tokens)
    else if (word !== ';') tokens.skip(';')
  }
  const outer = { messageType: file.messageType, enumType: file.enumType }
  for (const one of file.messageType)
    qualify(one, `.${file.package}.${one.name}`, [[`.${file.package}`, outer]])
  return file
}

function skipBlock(tokens: Tokens): void {
  tokens.skip('{')
  for (let depth = 1; depth > 0;) {
    const token = tokens.take()
    if (token === '{') depth++
    if (token === '}') depth--
  }
}

function message(tokens: Tokens): DescriptorProto {
  const made = create(DescriptorProtoSchema, { name: tokens.take() })
  tokens.take('{')
  while (tokens.peek() !== '}') {
    const word = tokens.take()
    if (word === 'message') made.nestedType.push(message(tokens))
    else if (word === 'enum') made.enumType.push(enumeration(tokens))
    else if (word === 'reserved' || word === 'option') tokens.skip(';')
    else if (word === 'oneof') oneof(made, tokens)
    else if (word !== ';') made.field.push(field(made, word, tokens))
  }
  tokens.take('}')
  return made
}

function oneof(owner: DescriptorProto, tokens: Tokens): void {
  owner.oneofDecl.push({ $typeName: 'google.protobuf.OneofDescriptorProto', name: tokens.take() })
  const oneofIndex = owner.oneofDecl.length - 1
  tokens.take('{')
  while (tokens.peek() !== '}') {
    const one = field(owner, tokens.take(), tokens)
    one.oneofIndex = oneofIndex
    owner.field.push(one)
  }
  tokens.take('}')
}

function field(owner: DescriptorProto, first: string, tokens: Tokens): FieldDescriptorProto {
  const word = first === 'repeated' || first === 'optional' ? tokens.take() : first
  const name = tokens.take()
  tokens.take('=')
  const number = Number(tokens.take())
  tokens.skip(';')
  const made = create(FieldDescriptorProtoSchema, {
    name,
    number,
    label: first === 'repeated' ? Label.REPEATED : Label.OPTIONAL,
    jsonName: name.replaceAll(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
  })
  const scalar = SCALARS[word]
  if (scalar === undefined) made.typeName = word
  else made.type = scalar
  if (first === 'optional') {
    made.proto3Optional = true
    owner.oneofDecl.push({ $typeName: 'google.protobuf.OneofDescriptorProto', name: `_${name}` })
    made.oneofIndex = owner.oneofDecl.length - 1
  }
  return made
}

function enumeration(tokens: Tokens): EnumDescriptorProto {
  const made = create(EnumDescriptorProtoSchema, { name: tokens.take() })
  tokens.take('{')
  while (tokens.peek() !== '}') {
    const name = tokens.take()
    tokens.take('=')
    made.value.push({
      $typeName: 'google.protobuf.EnumValueDescriptorProto',
      name,
      number: Number(tokens.take()),
    })
    tokens.skip(';')
  }
  tokens.take('}')
  return made
}

/** Where a name is looked for, the innermost first. */
type Place = readonly [
  prefix: string,
  types: {
    readonly messageType: readonly DescriptorProto[]
    readonly enumType: readonly EnumDescriptorProto[]
  },
]

function qualify(one: DescriptorProto, full: string, outer: readonly Place[]): void {
  const places: readonly Place[] = [[full, { messageType: one.nestedType, enumType: one.enumType }], ...outer]
  for (const each of one.field) if (each.typeName !== '') resolve(each, places)
  for (const nested of one.nestedType) qualify(nested, `${full}.${nested.name}`, places)
}

function resolve(one: FieldDescriptorProto, places: readonly Place[]): void {
  const name = one.typeName
  // What is named in full is a message of another file: OTLP shares no enumerations between files.
  const found = places.find(([, { messageType, enumType }]) =>
    [...messageType, ...enumType].some((each) => each.name === name),
  )
  one.type = found?.[1].enumType.some((each) => each.name === name) === true ? Type.ENUM : Type.MESSAGE
  one.typeName = found === undefined ? `.${name}` : `${found[0]}.${name}`
}
