// What drivers ask before and beside their work: who the server is, whether it is there, sessions.
import { Binary, UUID } from "bson";
import { MongoError, notImplemented } from "../errors.ts";
import { MECHANISM, type Proof, type Step } from "../scram.ts";
import { own } from "../values.ts";
import { type Context, type Handlers, OK } from "./context.ts";

/** The MongoDB whose wire protocol and behaviour this follows. */
export const VERSION = "7.0.0";

function hello({ command, connection, name }: Context) {
	const appName = own(own(command["client"], "application"), "name");
	if (typeof appName === "string") connection.appName = appName;
	return {
		helloOk: true,
		[name === "hello" ? "isWritablePrimary" : "ismaster"]: true,
		maxBsonObjectSize: 16_777_216,
		maxMessageSizeBytes: 48_000_000,
		maxWriteBatchSize: 100_000,
		localTime: new Date(),
		logicalSessionTimeoutMinutes: 30,
		connectionId: connection.id,
		minWireVersion: 0,
		maxWireVersion: 21,
		readOnly: false,
		...(connection.proof && command["saslSupportedMechs"] !== undefined ? { saslSupportedMechs: [MECHANISM] } : {}),
		ok: 1,
	};
}

/** Connections where nothing has to be proven know no users: who asks for one is told so, not waved through. */
function proofOf({ connection }: Context): Proof {
	if (!connection.proof) throw notImplemented("authentication without --loginFile");
	return connection.proof;
}

function payloadOf({ command }: Context): string {
	const { payload } = command;
	if (payload instanceof Binary) return Buffer.from(payload.buffer).subarray(0, payload.position).toString("utf8");
	return payload instanceof Uint8Array ? Buffer.from(payload).toString("utf8") : "";
}

const CONVERSATION = 1;
const stepReply = ({ payload, done }: Step) => ({
	conversationId: CONVERSATION,
	done,
	payload: new Binary(Buffer.from(payload)),
	ok: 1,
});

function buildInfo() {
	return {
		version: VERSION,
		gitVersion: "embedded-mongod",
		modules: ["embedded-mongod"],
		versionArray: [7, 0, 0, 0],
		bits: 64,
		debug: false,
		maxBsonObjectSize: 16_777_216,
		storageEngines: ["embedded-mongod"],
		ok: 1,
	};
}

const acknowledge = () => OK;
const noTransactions = () => {
	throw new MongoError(
		20,
		"IllegalOperation",
		"Transaction numbers are only allowed on a replica set member or mongos",
	);
};

export const handshakeCommands: Handlers = {
	hello,
	isMaster: hello,
	ismaster: hello,
	buildInfo,
	buildinfo: buildInfo,
	ping: acknowledge,
	endSessions: acknowledge,
	refreshSessions: acknowledge,
	killSessions: acknowledge,
	killAllSessions: acknowledge,
	setFeatureCompatibilityVersion: acknowledge,
	startSession: () => ({ id: { id: new UUID().toBinary() }, timeoutMinutes: 30, ok: 1 }),
	whatsmyuri: () => ({ you: "127.0.0.1:0", ok: 1 }),
	connectionStatus: () => ({ authInfo: { authenticatedUsers: [], authenticatedUserRoles: [] }, ok: 1 }),
	commitTransaction: noTransactions,
	abortTransaction: noTransactions,
	replSetGetStatus: () => {
		throw new MongoError(76, "NoReplicationEnabled", "not running with --replSet");
	},
	saslStart(context) {
		const { mechanism, options } = context.command;
		const isShort = own(options, "skipEmptyExchange") === true;
		return stepReply(proofOf(context).begin(mechanism, payloadOf(context), isShort));
	},
	saslContinue: context => stepReply(proofOf(context).go(payloadOf(context))),
	createUser: () => {
		throw notImplemented("users");
	},
};
