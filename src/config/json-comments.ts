/** Strings are matched first, so that what looks like a comment inside them stays. */
const TOKEN = /"(?:[^"\\\n]|\\.)*"|\/\/[^\n]*|\/\*[\s\S]*?\*\/|\t/g

/**
 * JSON with comments, as editors write it, as text that YAML reads: comments and tabs become spaces, so that every
 * position stays where it was. Strings are left as they are.
 */
export function relaxJson(text: string): string {
  return text.replace(TOKEN, (token) => (token.startsWith('"') ? token : token.replace(/[^\n]/g, ' ')))
}
