import { Plural, Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { KeyInfo, LimitsInfo } from "@/api/types";
import { date } from "@/i18n/format";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { Notice } from "@/ui/Notice";
import { SelectField } from "@/ui/SelectField";
import { TextField } from "@/ui/TextField";

import { endOf, type Expiry, readTags } from "./expiry";
import { Fold } from "./Fold";
import { KeyMade } from "./KeyMade";
import { useChangeKey, useMakeKey } from "./keys";
import { LimitFields } from "./LimitFields";
import { useCurrency } from "./limits";
import { fromLimitsForm, toLimitsForm } from "./limitsForm";
import { ModelsField } from "./ModelsField";

export interface KeyFormProps {
  /** The key to change; without one a new key is made. */
  item?: KeyInfo;
  limits?: LimitsInfo | null;
  /** Whom a new key may belong to besides oneself; `team` is the one that is proposed. */
  teams?: readonly { id: string; name: string }[];
  team?: string;
  onDone: () => void;
}

/** Makes a key and then shows it, the only time it can be seen; or changes one. */
export function KeyForm({ item, limits, teams = [], team: proposed = "", onDone }: KeyFormProps) {
  const { t } = useLingui();
  const currency = useCurrency();
  const [name, setName] = useState(item?.name ?? "");
  const [team, setTeam] = useState(proposed);
  const [expiry, setExpiry] = useState<Expiry>(item?.expires_at ? "same" : "never");
  const [now] = useState(() => Date.now());
  const [day, setDay] = useState("");
  const [models, setModels] = useState(item?.models ?? null);
  const [tags, setTags] = useState((item?.tags ?? []).join(", "));
  const [form, setForm] = useState(() => toLimitsForm(limits));
  const make = useMakeKey();
  const change = useChangeKey(item?.id ?? "");
  const { error, isPending } = item ? change : make;
  const read = fromLimitsForm(form);
  const ends = endOf(expiry, day, now, item?.expires_at ?? null);
  const field = error instanceof ApiError ? (error.field ?? "") : "";
  const beside = (...names: string[]) => (names.includes(field) ? explain(error) : undefined);
  const refused = field.startsWith("limits.") ? { name: field.slice(7), why: explain(error) } : null;
  const elsewhere = error && !["name", "expires_at", "tags"].includes(field) && !refused;

  if (make.data) {
    return <KeyMade made={make.data} limits={read.any ? read.limits : null} onDone={onDone} />;
  }
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    if (ends === undefined || read.wrong.size > 0) return;
    const facts = { name: name.trim(), expires_at: ends, models, tags: readTags(tags) };
    if (!item) {
      make.mutate({ ...facts, team, limits: read.any ? read.limits : null });
      return;
    }
    const touched = JSON.stringify(form) !== JSON.stringify(toLimitsForm(limits));
    const { expires_at, ...others } = facts;
    const body = expiry === "same" ? others : { ...others, expires_at };
    change.mutate(touched ? { ...body, limits: read.any || !limits ? read.limits : null } : body, {
      onSuccess: onDone,
    });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`Name`}
        hint={t`What the key is for, so that you know later which one to revoke.`}
        placeholder={t`my editor`}
        error={beside("name")}
        required
        maxLength={120}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      {!item && teams.length > 0 ? (
        <SelectField
          label={t`Belongs to`}
          hint={
            team
              ? t`Calls with it are the team’s own: its models, its budget. It stays when people leave.`
              : t`Calls with it are yours: your models, your budget.`
          }
          value={team}
          onChange={(event) => setTeam(event.target.value)}
        >
          <option value="">{t`me`}</option>
          {teams.map(({ id, name: title }) => (
            <option key={id} value={id}>
              {t`the team ${title}`}
            </option>
          ))}
        </SelectField>
      ) : null}
      <div className="grid gap-5 sm:grid-cols-2">
        <SelectField
          label={t`Valid`}
          error={beside("expires_at")}
          value={expiry}
          onChange={(event) => setExpiry(event.target.value as Expiry)}
        >
          {item?.expires_at ? (
            <option value="same">{t`until ${date(item.expires_at)}, as it is`}</option>
          ) : null}
          <option value="never">{t`until revoked`}</option>
          <option value="7">{t`7 days`}</option>
          <option value="30">{t`30 days`}</option>
          <option value="90">{t`90 days`}</option>
          <option value="365">{t`a year`}</option>
          <option value="day">{t`until a day`}</option>
        </SelectField>
        {expiry === "day" ? (
          <TextField
            type="date"
            label={t`Last day`}
            required
            value={day}
            onChange={(event) => setDay(event.target.value)}
          />
        ) : null}
      </div>
      <div className="flex flex-col">
        <Fold
          title={t`Models`}
          says={
            models === null ? (
              t`all`
            ) : (
              <Plural value={models.length} _0="none" one="# model" other="# models" />
            )
          }
        >
          <ModelsField
            legend={t`Models it may call`}
            all={t`All that its owner may use`}
            some={t`Only these`}
            models={models}
            onChange={setModels}
          />
        </Fold>
        <Fold title={t`Limits`} says={read.any ? t`limited` : t`none of its own`} open={read.wrong.size > 0}>
          <p className="mb-3 text-sm text-muted">
            <Trans>What its owner may use stays the most.</Trans>
          </p>
          <LimitFields
            form={form}
            wrong={read.wrong}
            currency={currency}
            refused={refused}
            onChange={setForm}
          />
        </Fold>
        <Fold title={t`Tags`} says={tags || t`none`} open={field === "tags"}>
          <TextField
            label={t`Tags`}
            hint={t`Words that routes can ask for, by commas: they go with every call.`}
            error={beside("tags")}
            autoComplete="off"
            value={tags}
            onChange={(event) => setTags(event.target.value)}
          />
        </Fold>
      </div>
      {elsewhere ? <Notice look="error">{explain(error)}</Notice> : null}
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button
          look="primary"
          type="submit"
          busy={isPending}
          disabled={!name.trim() || ends === undefined || read.wrong.size > 0}
        >
          {item ? <Trans>Save</Trans> : <Trans>Create</Trans>}
        </Button>
      </div>
    </form>
  );
}
