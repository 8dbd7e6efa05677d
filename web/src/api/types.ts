import type { components } from "./schema";

type Schemas = components["schemas"];

export type Me = Schemas["Me"];
export type SessionState = Schemas["SessionState"];
export type KeyInfo = Schemas["KeyInfo"];
export type NewKey = Schemas["NewKey"];
export type UserInfo = Schemas["UserInfo"];
export type NewUser = Schemas["NewUser"];
export type GroupInfo = Schemas["GroupInfo"];
export type Conversation = Schemas["ConversationSummary"];
export type ConversationDetail = Schemas["ConversationDetail"];
export type ConversationPage = Schemas["ConversationPage"];
export type ConversationSettings = Schemas["ConversationSettings"];
export type SamplingSettings = Schemas["SamplingSettings"];
export type Message = Schemas["MessageView"];
export type ModelInfo = Schemas["ModelInfo"];
export type EngineInfo = Schemas["EngineInfo"];
export type PullInfo = Schemas["PullInfo"];
export type SuggestionInfo = Schemas["SuggestionInfo"];
export type ProviderKind = Schemas["ProviderKindInfo"];
export type Provider = Schemas["ProviderInfo"];
export type ChosenModel = Schemas["ChosenModelIn"];
export type OfferedModel = Schemas["OfferedModel"];
export type RunningCall = Schemas["RunningCall"];
export type RunningCalls = Schemas["RunningCalls"];
export type UsageSums = Schemas["UsageSums"];
export type ServerSettings = Schemas["SettingsInfo"];
