import { Trans, useLingui } from "@lingui/react/macro";
import { X } from "lucide-react";
import { type SubmitEvent, useState } from "react";

import type { ConversationSettings } from "@/api/types";
import { Button } from "@/ui/Button";
import { IconButton } from "@/ui/IconButton";
import { TextArea } from "@/ui/TextArea";

import { fromForm, SAMPLING_FIELDS, toForm } from "./sampling";
import { SamplingField } from "./SamplingField";

export interface ChatSettingsProps {
  settings: ConversationSettings;
  onChange: (change: ConversationSettings) => void;
  onClose: () => void;
}

/** How this chat is answered: the system prompt and the sampling. Empty fields are left to the model. */
export function ChatSettings({ settings, onChange, onClose }: ChatSettingsProps) {
  const { t } = useLingui();
  const [prompt, setPrompt] = useState(settings.system_prompt ?? "");
  const [form, setForm] = useState(() => toForm(settings.sampling ?? {}));
  const { values, wrong } = fromForm(form);

  const clear = () => {
    setPrompt("");
    setForm(toForm({}));
  };
  const keep = (event: SubmitEvent) => {
    event.preventDefault();
    if (wrong.size > 0) return;
    onChange({ system_prompt: prompt.trim() || null, sampling: values });
    onClose();
  };
  return (
    <form onSubmit={keep} className="flex min-h-0 flex-1 flex-col">
      <div className="flex h-14 shrink-0 items-center justify-between border-b border-line pr-2 pl-4">
        <h2 className="font-semibold">
          <Trans>Chat settings</Trans>
        </h2>
        <IconButton label={t`Close`} tip="none" icon={<X size={18} />} onClick={onClose} />
      </div>
      <div className="flex min-h-0 flex-1 flex-col gap-5 overflow-y-auto p-4">
        <TextArea
          label={t`System prompt`}
          hint={t`Who the model should be and how it should answer, in this chat.`}
          value={prompt}
          maxLength={100_000}
          onChange={(event) => setPrompt(event.target.value)}
        />
        {SAMPLING_FIELDS.map((field) => (
          <SamplingField
            key={field.name}
            field={field}
            value={form[field.name]}
            wrong={wrong.has(field.name)}
            onChange={(value) => setForm({ ...form, [field.name]: value })}
          />
        ))}
      </div>
      <div className="flex shrink-0 justify-end gap-2 border-t border-line p-4">
        <Button look="quiet" onClick={clear}>
          <Trans>Clear all</Trans>
        </Button>
        <Button look="primary" type="submit" disabled={wrong.size > 0}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </form>
  );
}
