import { errorType } from "../../lib/errors.ts";

const RETRY_MS = 1_000;

/** What starts in the background and is tried until it is done. */
export interface BackgroundStart {
	readonly isPending: boolean;
	stop(): Promise<void>;
}

/**
 * Makes the first admin of the settings once users can be reached, without holding up the node's start.
 * The node is not ready before `onDone`.
 * A password that the policy refuses is told and not tried again.
 */
export function startFirstAdmin(
	create: () => Promise<unknown>,
	onDone: () => void,
	logger: { error(message: string, ...rest: unknown[]): void; debug(message: string, ...rest: unknown[]): void },
): BackgroundStart {
	let timer: NodeJS.Timeout | undefined;
	let isStopped = false;
	let isPending = true;
	const done = () => {
		isPending = false;
		onDone();
	};
	const attempt = async (): Promise<void> => {
		try {
			await create();
			done();
		} catch (error) {
			if (errorType(error) === "VALIDATION_ERROR") {
				logger.error("STOA_ADMIN_PASSWORD is too common, or not 12 to 128 characters: there is no admin yet");
				done();
				return;
			}
			logger.debug("The first admin is not there yet; trying again", error);
			if (isStopped) return;
			timer = setTimeout(() => {
				running = attempt();
			}, RETRY_MS);
		}
	};
	let running = attempt();
	return {
		get isPending() {
			return isPending;
		},
		async stop() {
			isStopped = true;
			clearTimeout(timer);
			await running;
		},
	};
}
