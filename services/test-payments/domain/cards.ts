/** How a charge that was pending ends. */
export type Settlement = "captured" | "declined";

/** What each test token does when it is charged. */
export interface CardBehaviour {
	outcome: "authorized" | "declined" | "pending";
	/** Why it is declined. */
	code?: string;
	/** How long the provider thinks. */
	delayMs?: number;
	/** Answers 500 and charges nothing. */
	isBroken?: boolean;
	/** Charges, and never answers the first attempt of a key. */
	isSilentAtFirst?: boolean;
	/** What becomes of it later, one after the other, each told by a webhook. */
	settles?: readonly Settlement[];
	/** The webhooks get lost. */
	isMute?: boolean;
	/** Its capture settles later. */
	isCapturedLater?: boolean;
	/** Cannot be voided while it is pending: a transfer that is on its way. */
	isUnstoppable?: boolean;
	/** Refunds are pending when they are asked for first, or refused. */
	refunds?: "later" | "refused";
}

const CARDS: Readonly<Record<string, CardBehaviour>> = {
	tok_ok: { outcome: "authorized" },
	tok_declined: { outcome: "declined", code: "card_declined" },
	tok_insufficient_funds: { outcome: "declined", code: "insufficient_funds" },
	tok_error: { outcome: "authorized", isBroken: true },
	tok_timeout_after_charge: { outcome: "authorized", isSilentAtFirst: true },
	tok_slow: { outcome: "authorized", delayMs: 2_000 },
	tok_async: { outcome: "pending", settles: ["captured"] },
	tok_async_fails: { outcome: "pending", settles: ["declined"] },
	tok_async_second_try: { outcome: "pending", settles: ["declined", "captured"], isUnstoppable: true },
	tok_async_mute: { outcome: "pending", settles: ["captured"], isMute: true },
	tok_async_never: { outcome: "pending" },
	tok_transfer: { outcome: "pending", settles: ["captured"], isUnstoppable: true },
	tok_capture_later: { outcome: "authorized", isCapturedLater: true },
	tok_refund_later: { outcome: "authorized", refunds: "later" },
	tok_refund_refused: { outcome: "authorized", refunds: "refused" },
};

/** A token nobody gave out is a card that does not work. */
export const behaviourOf = (token: string): CardBehaviour =>
	CARDS[token] ?? { outcome: "declined", code: "invalid_token" };

/** The cards whose captures settle later. */
export const CAPTURED_LATER: readonly string[] = Object.keys(CARDS).filter(card => CARDS[card]?.isCapturedLater);

/** What a charge remembers of its token: nothing of one that nobody gave out. */
export const cardOf = (token: string): string => (token in CARDS ? token : "unknown");
