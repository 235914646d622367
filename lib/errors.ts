import type { SecurityEvent } from "./security-events.ts";

/**
 * Errors the domain knows. A middleware turns a `DomainError` into a Moleculer error that survives the network, and the
 * gateway answers it as RFC 9457 problem+json. Branch on `err.type`, never on `instanceof`: classes do not survive.
 */
const STATUS = {
	MOVED_PERMANENTLY: 301,
	BAD_REQUEST: 400,
	UNAUTHENTICATED: 401,
	PAYMENT_DECLINED: 402,
	FORBIDDEN: 403,
	NOT_FOUND: 404,
	METHOD_NOT_ALLOWED: 405,
	CONFLICT: 409,
	STOCK_INSUFFICIENT: 409,
	PRICE_CHANGED: 409,
	CART_NOT_OPEN: 409,
	INVALID_TRANSITION: 409,
	IDEMPOTENCY_IN_PROGRESS: 409,
	VERSION_MISMATCH: 412,
	PAYLOAD_TOO_LARGE: 413,
	UNSUPPORTED_MEDIA_TYPE: 415,
	VALIDATION_ERROR: 422,
	IDEMPOTENCY_KEY_REUSED: 422,
	RATE_LIMITED: 429,
	INTERNAL: 500,
	SERVICE_UNAVAILABLE: 503,
} as const;

export type ErrorType = keyof typeof STATUS;

export const ERROR_TYPES = Object.keys(STATUS) as ErrorType[];

/** One problem with one field or one SKU, as it appears in the `errors` list of an answer. */
export interface FieldError {
	field: string;
	code: string;
	message: string;
}

/** What an error may tell the client beside its message. `details` are merged into the problem document. */
export interface ErrorData {
	errors?: FieldError[];
	details?: Record<string, unknown>;
	retryAfterSeconds?: number;
	/** Of what has moved: its path within the API now, encoded. */
	location?: string;
	/** Not for the client, who sees an ordinary refusal: for whoever watches over the shop. */
	suspicion?: SecurityEvent;
	/** Of a kept refusal that is told again: the request that was refused first. */
	requestId?: string;
}

export class DomainError extends Error {
	readonly type: ErrorType;
	readonly data: ErrorData;

	constructor(type: ErrorType, message: string, data: ErrorData = {}) {
		super(message);
		this.name = "DomainError";
		this.type = type;
		this.data = data;
	}

	/** The HTTP status of this error. */
	get status(): number {
		return STATUS[this.type];
	}
}

export const statusOf = (type: ErrorType): number => STATUS[type];

export const isErrorType = (type: unknown): type is ErrorType => typeof type === "string" && type in STATUS;

/** The `type` of anything thrown, also of errors that came over the network; undefined when it has none. */
export function errorType(error: unknown): string | undefined {
	if (typeof error !== "object" || error === null || !("type" in error)) return undefined;
	return typeof error.type === "string" ? error.type : undefined;
}

/** The `message` of anything thrown. */
export const errorMessage = (error: unknown): string =>
	typeof error === "object" && error !== null && "message" in error ? String(error.message) : String(error);

/**
 * The domain's error in anything thrown, whether it is one or came over the network as one; undefined for all else.
 */
export function asDomainError(error: unknown): DomainError | undefined {
	const type = errorType(error);
	if (!isErrorType(type)) return undefined;
	const data = typeof error === "object" && error !== null && "data" in error ? error.data : undefined;
	return new DomainError(type, errorMessage(error), typeof data === "object" && data !== null ? data : {});
}

export const notFound = (what: string): DomainError => new DomainError("NOT_FOUND", `${what} was not found`);

/** For what is not there, and for what is somebody else's: the same answer. @param found what was found, if anything */
export const notYours = (what: string, found: unknown): DomainError =>
	found ? new DomainError("NOT_FOUND", `${what} was not found`, { suspicion: "access_denied" }) : notFound(what);

/** What may be behind a refusal, wherever the error comes from. */
export function suspicionOf(error: unknown): SecurityEvent | undefined {
	if (typeof error !== "object" || error === null || !("data" in error)) return undefined;
	const { data } = error;
	return typeof data === "object" && data !== null ? (data as ErrorData).suspicion : undefined;
}

/** MongoDB's duplicate key error, whichever driver object carries it. */
export function isDuplicateKey(error: unknown): boolean {
	return typeof error === "object" && error !== null && "code" in error && error.code === 11000;
}

/** How the driver says that the database did not answer, or is on its way down: nothing is decided, nobody is wrong. */
const DATABASE_AWAY =
	/^(?:MongoNetwork|MongoServerSelection|MongooseServerSelection|MongoPool|MongoConnectionPool|MongoWaitQueue|MongoTopologyClosed|MongoNotConnected|MongoClientClosed|MongoExpiredSession|MongoOperationTimeout)/;
/** Interrupted, shutting down, not the primary, too slow. */
const DATABASE_PASSING_CODES = new Set([6, 7, 50, 89, 91, 189, 262, 9001, 10_107, 11_600, 11_602, 13_435, 13_436]);
const MAX_CAUSES = 5;

export function isDatabaseAway(error: unknown): boolean {
	let at: unknown = error;
	for (let i = 0; i < MAX_CAUSES && at instanceof Error; i++, at = at.cause) {
		if (DATABASE_AWAY.test(at.name) || (at.name === "MongooseError" && at.message.includes("buffering timed out")))
			return true;
		const { code } = at as { code?: unknown };
		if (at.name.startsWith("Mongo") && typeof code === "number" && DATABASE_PASSING_CODES.has(code)) return true;
	}
	return false;
}
