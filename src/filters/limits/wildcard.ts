/** Whether a text fits a pattern in which `*` stands for any characters. Takes time linear in each star, never more. */
export type Matcher = (text: string) => boolean

/** Compiles a pattern. */
export function wildcard(pattern: string): Matcher {
  const [head = '', ...rest] = pattern.split('*')
  const tail = rest.pop()
  if (tail === undefined) return (text) => text === pattern
  const least = pattern.length - rest.length - 1
  return (text) => {
    if (text.length < least || !text.startsWith(head) || !text.endsWith(tail)) return false
    let from = head.length
    for (const part of rest) {
      const at = text.indexOf(part, from)
      if (at === -1) return false
      from = at + part.length
    }
    return from <= text.length - tail.length
  }
}
