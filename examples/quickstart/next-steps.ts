import { styleText } from 'node:util'

const defaultUrl = 'http://127.0.0.1:8080/mcp'

/** What to type next, for a terminal of 80 columns; bold only where `stream` is a terminal and NO_COLOR is unset. */
export const nextSteps = (url: string, stream: NodeJS.WritableStream): string => {
  const heading = (text: string): string => styleText('bold', text, { stream })
  const elsewhere = url === defaultUrl ? '' : ` \\\n    --url ${url}`
  return `
${heading('Call a tool, in another terminal')}
  npm run toolgate -- call github_list_repos --arg org=acme${elsewhere}

${heading('Connect a client: add this to its configuration (mcp.json)')}
  {
    "mcpServers": {
      "toolgate": { "type": "http", "url": ${JSON.stringify(url)} }
    }
  }

${heading('URL')}  ${url}     ${heading('Stop')}  Ctrl-C
`
}
