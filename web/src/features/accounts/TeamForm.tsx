import { Trans, useLingui } from "@lingui/react/macro";
import { type SubmitEvent, useState } from "react";

import { ApiError } from "@/api/error";
import type { GroupInfo } from "@/api/types";
import { Button } from "@/ui/Button";
import { explain } from "@/ui/explain";
import { TextField } from "@/ui/TextField";

import { readTags } from "./expiry";
import { useChangeGroup } from "./people";

/** Changes a team's name and tags. */
export function TeamForm({ group, onDone }: { group: GroupInfo; onDone: () => void }) {
  const { t } = useLingui();
  const [name, setName] = useState(group.name);
  const [tags, setTags] = useState(group.tags.join(", "));
  const change = useChangeGroup(group.id);
  const ofTags = change.error instanceof ApiError && change.error.field?.startsWith("tags");
  const submit = (event: SubmitEvent) => {
    event.preventDefault();
    change.mutate({ name: name.trim(), tags: readTags(tags) }, { onSuccess: onDone });
  };
  return (
    <form onSubmit={submit} className="flex flex-col gap-5">
      <TextField
        label={t`Name`}
        error={change.error && !ofTags ? explain(change.error) : undefined}
        required
        maxLength={64}
        value={name}
        onChange={(event) => setName(event.target.value)}
      />
      <TextField
        label={t`Tags`}
        hint={t`Words that routes can ask for, by commas: they go with every call.`}
        error={ofTags ? explain(change.error) : undefined}
        autoComplete="off"
        value={tags}
        onChange={(event) => setTags(event.target.value)}
      />
      <div className="flex justify-end gap-2">
        <Button look="quiet" onClick={onDone}>
          <Trans>Cancel</Trans>
        </Button>
        <Button look="primary" type="submit" busy={change.isPending} disabled={!name.trim()}>
          <Trans>Save</Trans>
        </Button>
      </div>
    </form>
  );
}
