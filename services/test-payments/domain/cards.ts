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
}

const CARDS: Readonly<Record<string, CardBehaviour>> = {
	tok_ok: { outcome: "authorized" },
	tok_declined: { outcome: "declined", code: "card_declined" },
	tok_insufficient_funds: { outcome: "declined", code: "insufficient_funds" },
	tok_error: { outcome: "authorized", isBroken: true },
	tok_timeout_after_charge: { outcome: "authorized", isSilentAtFirst: true },
	tok_slow: { outcome: "authorized", delayMs: 2_000 },
	tok_async: { outcome: "pending" },
};

/** A token nobody gave out is a card that does not work. */
export const behaviourOf = (token: string): CardBehaviour =>
	CARDS[token] ?? { outcome: "declined", code: "invalid_token" };
