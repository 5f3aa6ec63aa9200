import type { Protection } from './protection.ts'

const FILES = 'src/config/secret-file.test.ts'
const ENVIRONMENTS = 'src/config/environments.test.ts'
const EXPLAIN = 'src/cli/explain.test.ts'

/** What reading a configuration, and speaking of it, protects against. */
export const configuration: readonly Protection[] = [
  {
    against: 'a pipe in the place of a secret, which would be waited for',
    file: 'src/config/secret-file.ts',
    find: '!fstatSync(file).isFile()',
    replace: 'false',
    test: FILES,
    fails: 'is not waited for where it is a pipe',
  },
  {
    against: 'a file that fills the memory',
    file: 'src/config/secret-file.ts',
    find: 'length > LARGEST_SECRET',
    replace: 'false',
    test: FILES,
    fails: 'is missing, or cannot be taken',
  },
  {
    against: 'many references to large files',
    file: 'src/config/references.ts',
    find: 'walk.left < 0',
    replace: 'false',
    test: FILES,
    fails: 'is bounded over all references together',
  },
  {
    against: 'secrets of files in messages',
    file: 'src/config/validate.ts',
    find: 'if (sources.length > 0) return',
    replace: 'if (sources.length > 99) return',
    test: FILES,
    fails: 'says what is wrong once, and never with what is in the file',
  },
  {
    against: 'secrets of the production in the hands of a development',
    file: 'src/config/references.ts',
    find: 'if (!isChosen) return',
    replace: 'if (isChosen === undefined) return',
    test: ENVIRONMENTS,
    fails: 'do not read files, whatever they say',
  },
  {
    against: 'an environment that nobody chose',
    file: 'src/config/environments.ts',
    find: 'if (known.includes(name)) return',
    replace: 'if (known.length > 0) return',
    test: ENVIRONMENTS,
    fails: 'that is not there is refused',
  },
  {
    against: 'explanations with what came by a reference',
    file: 'src/cli/explain.ts',
    find: 'if (sources.length > 0) return HIDDEN',
    replace: '',
    test: EXPLAIN,
    fails: 'shows no secret, in whatever form',
  },
  {
    against: 'explanations with secrets that stand in the file',
    file: 'src/cli/explain.ts',
    find: 'isPlain(value) ? value : HIDDEN',
    replace: 'value',
    test: EXPLAIN,
    fails: 'shows no secret, in whatever form',
  },
  {
    against: 'explanations with the path of a secret URL',
    file: 'src/cli/explain.ts',
    find: 'sources.length > 0 ? shownOrigin : asWritten',
    replace: 'asWritten',
    test: EXPLAIN,
    fails: 'shows no secret, in whatever form',
  },
]
