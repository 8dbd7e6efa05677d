/** How programs are told of a key and of this server. */
export interface Snippet {
  id: "env" | "openai" | "anthropic" | "ollama" | "curl";
  text: string;
}

/** Ready to paste; `origin` is the address of this server, with its base path and without a slash at the end. */
export function snippets(origin: string, secret: string, model: string): Snippet[] {
  const name = JSON.stringify(model);
  return [
    {
      id: "env",
      text: [
        `export OPENAI_BASE_URL=${origin}/v1`,
        `export OPENAI_API_KEY=${secret}`,
        `export ANTHROPIC_BASE_URL=${origin}`,
        `export ANTHROPIC_API_KEY=${secret}`,
        `export OLLAMA_HOST=${origin}`,
        `export OLLAMA_API_KEY=${secret}`,
      ].join("\n"),
    },
    {
      id: "openai",
      text: [
        `from openai import OpenAI`,
        ``,
        `client = OpenAI(base_url="${origin}/v1", api_key="${secret}")`,
        `answer = client.chat.completions.create(`,
        `    model=${name}, messages=[{"role": "user", "content": "Hello"}]`,
        `)`,
        `print(answer.choices[0].message.content)`,
      ].join("\n"),
    },
    {
      id: "anthropic",
      text: [
        `from anthropic import Anthropic`,
        ``,
        `client = Anthropic(base_url="${origin}", api_key="${secret}")`,
        `answer = client.messages.create(`,
        `    model=${name}, max_tokens=1000, messages=[{"role": "user", "content": "Hello"}]`,
        `)`,
        `print(answer.content[0].text)`,
      ].join("\n"),
    },
    {
      id: "ollama",
      text: [
        `from ollama import Client`,
        ``,
        `client = Client("${origin}", headers={"Authorization": "Bearer ${secret}"})`,
        `print(client.chat(${name}, [{"role": "user", "content": "Hello"}]).message.content)`,
      ].join("\n"),
    },
    {
      id: "curl",
      text: [
        `curl ${origin}/v1/chat/completions \\`,
        `  -H "Authorization: Bearer ${secret}" \\`,
        `  -H "Content-Type: application/json" \\`,
        `  -d '{"model": ${name.replaceAll("'", "'\\''")}, "messages": [{"role": "user", "content": "Hello"}]}'`,
      ].join("\n"),
    },
  ];
}
