export { money } from "@/i18n/format";
