import { Breaker } from "../../lib/breaker.ts";
import { DomainError, errorType } from "../../lib/errors.ts";

/** A provider that is silent five times in a row is asked by one at a time only. */
const SETTINGS = { threshold: 5, restMs: 1_000 };

export type Guard = <T>(call: () => Promise<T>) => Promise<T>;

/**
 * A provider's own breaker. Silence to one question may be that question's doing (a card, a token), which a client
 * chooses: only when a question that no client has a part in stays unanswered too does it count.
 */
export function createProviderGuard(ping: () => Promise<unknown>, breaker = new Breaker(SETTINGS)): Guard {
	const isSilent = (error: unknown) => errorType(error) === "REQUEST_TIMEOUT";
	const isThere = () =>
		ping().then(
			() => true,
			error => !isSilent(error),
		);
	let asked: Promise<boolean> | undefined;
	/** One question for all who come while it rests: it is over for everybody with its first answer. */
	const isBack = () => {
		asked ??= isThere()
			.then(isAnswered => {
				if (isAnswered) breaker.answered();
				return isAnswered;
			})
			.finally(() => {
				asked = undefined;
			});
		return asked;
	};
	return async call => {
		if (!breaker.mayPass() && !(await isBack()))
			throw new DomainError("SERVICE_UNAVAILABLE", "The payment provider does not answer; try again", {
				retryAfterSeconds: 1,
			});
		try {
			const answer = await call();
			breaker.answered();
			return answer;
		} catch (error) {
			if (!isSilent(error) || (await isThere())) breaker.answered();
			else breaker.unanswered();
			throw error;
		}
	};
}
