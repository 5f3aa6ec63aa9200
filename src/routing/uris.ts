import { qualifyUri, unqualifyUri } from './uri-form.ts'
import { type UriTemplate, compileUriTemplate } from './uri-template.ts'

/** A URI or URI template as one backend knows it. */
export interface OwnUri {
  readonly backend: string
  readonly uri: string
}

/** The URIs of every backend as clients of the aggregate see them. */
export interface UriSpace {
  /** The URI of a backend as clients see it. */
  expose(backend: string, uri: string): string
  /** The URI template that a backend lists as clients see it. */
  exposeTemplate(backend: string, template: string): string
  /** Whose a URI is that clients use: first by what is listed or referenced, then by templates and by its form. */
  resolve(exposed: string): OwnUri | undefined
  /** Every backend that could have meant this form of a URI that is no longer known. */
  unqualified(exposed: string): readonly OwnUri[]
  /** Whether any URI of that backend is seen in another form than its own. */
  rewrites(backend: string): boolean
}

/** What backends list and refer to, in the order that decides who keeps a URI. */
export interface UriClaims {
  readonly backends: readonly string[]
  /** Listed resources, then resources that tools refer to. */
  readonly uris: readonly OwnUri[]
  readonly templates: readonly OwnUri[]
}

/**
 * Decides who keeps a URI: the first that claims it. Any other's is qualified. Where a backend has such a URI, the
 * others that it mentions are qualified too if they would lead to another backend.
 */
export function createUriSpace(claims: UriClaims): UriSpace {
  return new ClaimedSpace(claims)
}

/** Longest URI that is held against templates. */
const MAX_URI = 2048

interface Claimed {
  /** What clients see, by backend and own form. */
  readonly exposed: ReadonlyMap<string, string>
  /** Whose it is, by what clients see. */
  readonly owners: ReadonlyMap<string, OwnUri>
}

interface Matcher {
  readonly own: OwnUri
  readonly exposed: string
  readonly template: UriTemplate
}

class ClaimedSpace implements UriSpace {
  readonly #backends: readonly string[]
  readonly #uris: Claimed
  readonly #templates: Claimed
  readonly #rewriting = new Set<string>()
  #matchers: readonly Matcher[] | undefined

  constructor(claims: UriClaims) {
    this.#backends = claims.backends
    this.#uris = claim(claims.uris)
    this.#templates = claim(claims.templates)
    for (const { owners } of [this.#uris, this.#templates]) {
      for (const [exposed, { backend, uri }] of owners) if (exposed !== uri) this.#rewriting.add(backend)
    }
  }

  rewrites(backend: string): boolean {
    return this.#rewriting.has(backend)
  }

  exposeTemplate(backend: string, template: string): string {
    return this.#templates.exposed.get(keyOf(backend, template)) ?? template
  }

  expose(backend: string, uri: string): string {
    if (!this.rewrites(backend)) return uri
    const claimed = this.#uris.exposed.get(keyOf(backend, uri))
    if (claimed !== undefined) return claimed
    const found = this.resolve(uri)
    return found === undefined || found.backend === backend ? uri : qualifyUri(uri, backend)
  }

  resolve(exposed: string): OwnUri | undefined {
    const owner = this.#uris.owners.get(exposed)
    if (owner !== undefined) return owner
    const matcher = this.#matching(exposed)
    const formed = this.unqualified(exposed).find(({ backend }) => this.rewrites(backend))
    // A template that takes anything must not take what was qualified so as not to lead there.
    if (formed !== undefined && (matcher === undefined || !writesForm(matcher, formed.backend))) return formed
    return matcher && { backend: matcher.own.backend, uri: ownForm(exposed, matcher) }
  }

  unqualified(exposed: string): readonly OwnUri[] {
    return this.#backends.flatMap((backend) => {
      const uri = unqualifyUri(exposed, backend)
      return uri === undefined ? [] : [{ backend, uri }]
    })
  }

  #matching(exposed: string): Matcher | undefined {
    if (exposed.length > MAX_URI) return undefined
    this.#matchers ??= matchersOf(this.#templates)
    return this.#matchers.find(({ template }) => template.matches(exposed))
  }
}

/** Whether the template itself, not what it is filled with, has the form of that backend. */
function writesForm({ exposed }: Matcher, backend: string): boolean {
  const head = exposed.slice(0, exposed.indexOf('{') + 1)
  return unqualifyUri(head === '' ? exposed : head, backend) !== undefined
}

/** Undoes as many steps as were taken for the template. */
function ownForm(exposed: string, { own, exposed: template }: Matcher): string {
  let uri = exposed
  for (let form = own.uri; form !== template; form = qualifyUri(form, own.backend))
    uri = unqualifyUri(uri, own.backend) ?? uri
  return uri
}

function claim(claims: readonly OwnUri[]): Claimed {
  const exposed = new Map<string, string>()
  const owners = new Map<string, OwnUri>()
  const later: OwnUri[] = []
  for (const own of claims) {
    const owner = owners.get(own.uri)
    if (owner === undefined) owners.set(own.uri, own)
    else if (owner.backend !== own.backend) later.push(own)
  }
  // Only now: a qualified form must not take what a backend lists as it is.
  for (const own of later) {
    const key = keyOf(own.backend, own.uri)
    if (exposed.has(key)) continue
    let form = qualifyUri(own.uri, own.backend)
    while (owners.has(form)) form = qualifyUri(form, own.backend)
    owners.set(form, own)
    exposed.set(key, form)
  }
  return { exposed, owners }
}

/** The most specific first; of two alike the earlier. */
function matchersOf(templates: Claimed): readonly Matcher[] {
  const matchers = [...templates.owners].flatMap(([exposed, own]): readonly Matcher[] => {
    const template = compileUriTemplate(exposed)
    return template === undefined ? [] : [{ own, exposed, template }]
  })
  return matchers.toSorted((a, b) => b.template.literals - a.template.literals)
}

function keyOf(backend: string, uri: string): string {
  return `${backend} ${uri}`
}
