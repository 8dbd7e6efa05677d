// Ollama's client for JavaScript against a server: what its answers say, as one JSON object.
// Arguments: its folder, the server's URL, a key, a GGUF file's digest, a registry's model name.
const [folder, host, key, digest, remote] = process.argv.slice(2)
const { Ollama } = await import(`${folder}/dist/index.mjs`)
const client = new Ollama({ host, headers: { authorization: `Bearer ${key}` } })
const messages = [{ role: 'user', content: 'one two three' }]
const gather = async (parts, take) => {
  const found = []
  for await (const part of await parts) found.push(take(part))
  return found
}
const parameters = { type: 'object', required: ['city'], properties: { city: { type: 'string' } } }
const tools = [{ type: 'function', function: { name: 'weather', description: 'Weather.', parameters } }]
const out = {}

out.models = (await client.list()).models.map((model) => model.name)
const chat = await client.chat({ model: 'echo', messages })
out.chat = [chat.message.content, chat.eval_count, chat.done_reason]
out.stream = await gather(client.chat({ model: 'echo', messages, stream: true }), (part) => part.message.content)
out.generate = await gather(
  client.generate({ model: 'echo', prompt: 'a b', stream: true, options: { num_predict: 1 } }),
  (part) => [part.response, part.done_reason ?? null],
)
out.calls = (await client.chat({ model: 'tools', messages, tools })).message.tool_calls.map((call) => call.function)
out.thinking = (await client.chat({ model: 'think', messages, think: true })).message.thinking
out.form = JSON.parse((await client.chat({ model: 'json', messages, format: parameters })).message.content)
out.embed = (await client.embed({ model: 'embed', input: ['a', 'b'] })).embeddings.map((vector) => vector.length)
out.embeddings = (await client.embeddings({ model: 'embed', prompt: 'a' })).embedding.length
out.version = (await client.version()).version
const failed = await client.chat({ model: 'nobody', messages }).catch((error) => error)
out.error = [failed.name, failed.status_code, failed.message]
const broken = await gather(client.chat({ model: 'cut', messages, stream: true }), () => null).catch((error) => error)
out.broken = broken.message
const slow = await client.chat({ model: 'slow', messages, stream: true })
let first = true
out.aborted = await (async () => {
  for await (const _ of slow) {
    if (first) slow.abort()
    first = false
  }
})().catch((error) => error.name)

const made = await gather(client.create({ model: 'js', files: { 'tiny.gguf': digest }, stream: true }), (part) => part.status)
out.create = made.at(-1)
out.architecture = (await client.show({ model: 'js' })).model_info['general.architecture']
out.run = (await client.generate({ model: 'js', prompt: 'a', options: { num_predict: 2 } })).eval_count
out.running = (await client.ps()).models.map((model) => model.name)
await client.copy({ source: 'js', destination: remote })
out.push = (await client.push({ model: remote, insecure: true })).status
await client.delete({ model: remote })
out.pull = (await gather(client.pull({ model: remote, insecure: true, stream: true }), (part) => part.status)).at(-1)
await client.delete({ model: 'js' })
console.log(JSON.stringify(out))
