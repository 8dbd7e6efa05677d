import { useLingui } from "@lingui/react/macro";

import { SelectField } from "@/ui/SelectField";

export type Role = "admin" | "member";

export function RoleField({ value, onChange }: { value: Role; onChange: (role: Role) => void }) {
  const { t } = useLingui();
  return (
    <SelectField
      label={t`Role`}
      value={value}
      onChange={(event) => onChange(event.target.value === "admin" ? "admin" : "member")}
    >
      <option value="member">{t`Member`}</option>
      <option value="admin">{t`Administrator`}</option>
    </SelectField>
  );
}
