/** An answer of the server that is not a success, in the server's own words. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    message: string,
    readonly status: number,
    readonly code: string,
    readonly field: string | null = null,
    readonly details: Record<string, unknown> = {},
  ) {
    super(message);
  }
}

/** The server did not answer at all. */
export class Unreachable extends Error {
  override readonly name = "Unreachable";
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

/** Read `{"error": {"code", "message", "field"?, "details"?}}`; anything else becomes a plain sentence. */
export function toApiError(status: number, body: unknown): ApiError {
  const error = isRecord(body) && isRecord(body.error) ? body.error : null;
  if (!error || typeof error.message !== "string") {
    return new ApiError(`The server answered with status ${status}.`, status, "unknown");
  }
  return new ApiError(
    error.message,
    status,
    typeof error.code === "string" ? error.code : "unknown",
    typeof error.field === "string" ? error.field : null,
    isRecord(error.details) ? error.details : {},
  );
}
