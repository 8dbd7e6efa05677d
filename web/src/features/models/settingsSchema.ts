/** One setting of a kind of provider, read from the JSON schema that the kind publishes. */
export interface SettingSpec {
  name: string;
  title: string;
  description: string;
  type: "string" | "number" | "boolean" | "choice" | "list" | "map";
  choices: string[];
  /** What the choices are called, where the schema says. */
  titles?: Readonly<Record<string, string>>;
  /** Values that others often take. */
  examples: string[];
  required: boolean;
  secret: boolean;
  initial: string | boolean;
  /** It works without being touched: shown only to those who look for it. */
  optional: boolean;
}

type Json = Record<string, unknown>;

function isRecord(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

/** The settings of a schema, in its order; kinds of value that no form can show are left out. */
export function settingSpecs(schema: Json): SettingSpec[] {
  const properties = isRecord(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  return Object.entries(properties).flatMap(([name, rule]) => {
    if (!isRecord(rule)) return [];
    const type = typeOf(rule);
    if (!type) return [];
    return [
      {
        name,
        title: text(rule.title) || name.replaceAll("_", " "),
        description: text(rule.description),
        type,
        choices: Array.isArray(rule.enum) ? rule.enum.map(String) : [],
        ...(isRecord(rule.titles) ? { titles: titlesOf(rule.titles) } : {}),
        examples: Array.isArray(rule.examples) ? rule.examples.map(String) : [],
        required: required.includes(name),
        secret: rule.secret === true,
        optional:
          !required.includes(name) &&
          rule.secret !== true &&
          (rule.default !== undefined || type === "list" || type === "map"),
        initial: type === "boolean" ? rule.default === true : asText(rule.default),
      },
    ];
  });
}

function titlesOf(titles: Json): Record<string, string> {
  return Object.fromEntries(Object.entries(titles).map(([choice, title]) => [choice, text(title)]));
}

function typeOf(rule: Json): SettingSpec["type"] | null {
  if (Array.isArray(rule.enum)) return "choice";
  switch (rule.type) {
    case "string":
      return "string";
    case "integer":
    case "number":
      return "number";
    case "boolean":
      return "boolean";
    case "array":
      return "list";
    case "object":
      return isRecord(rule.additionalProperties) && rule.additionalProperties.type === "string"
        ? "map"
        : null;
    default:
      return null;
  }
}

/** A value as an input shows it; lists by commas, names with values by lines. */
export function asText(value: unknown): string {
  if (isRecord(value))
    return Object.entries(value)
      .map(([name, text]) => `${name}: ${String(text)}`)
      .join("\n");
  if (Array.isArray(value)) return value.map(String).join(", ");
  if (typeof value === "string") return value;
  return typeof value === "number" ? String(value) : "";
}

export type SettingsForm = Record<string, string | boolean>;

/** What the form shows at first: what is set, else the schema's defaults. Secrets are never known. */
export function toForm(specs: readonly SettingSpec[], settings: Json): SettingsForm {
  return Object.fromEntries(
    specs.map(({ name, type, initial }) => {
      const value = settings[name];
      if (type === "boolean") return [name, typeof value === "boolean" ? value : initial];
      return [name, value === undefined || value === null ? initial : asText(value)];
    }),
  );
}

/** What to send. A secret left empty is not sent: the server keeps the one it has. */
export function fromForm(specs: readonly SettingSpec[], form: SettingsForm): Json {
  const settings: Json = {};
  for (const { name, type, secret } of specs) {
    const value = form[name] ?? "";
    if (typeof value === "boolean") {
      settings[name] = value;
      continue;
    }
    const trimmed = value.trim();
    if (trimmed === "") {
      if (!secret) settings[name] = null;
    } else if (type === "number") {
      // What is no number goes as it is: the server says so beside the field, where null would be its default.
      const value = Number(trimmed);
      settings[name] = Number.isFinite(value) ? value : trimmed;
    } else if (type === "map") settings[name] = fromLines(trimmed);
    else if (type === "list") settings[name] = trimmed.split(/\s*[,，]\s*/).filter(Boolean);
    else settings[name] = trimmed;
  }
  return settings;
}

/** `name: value` in each line; a line without a colon is a name without a value. */
function fromLines(text: string): Json {
  const lines = text.split("\n").filter((line) => line.trim());
  return Object.fromEntries(
    lines.map((line) => {
      const [name = "", ...rest] = line.split(":");
      return [name.trim(), rest.join(":").trim()];
    }),
  );
}
