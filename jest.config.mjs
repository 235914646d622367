// Native ESM with Node's own type stripping: the tests run the very files that `npm start` runs.
export default {
	testEnvironment: "node",
	testMatch: ["<rootDir>/test/**/*.spec.ts", "<rootDir>/embedded-mongod/test/**/*.spec.ts"],
	extensionsToTreatAsEsm: [".ts"],
	transform: { "^.+\\.ts$": "<rootDir>/test/support/strip-transform.mjs" },
	watchman: false,
	maxWorkers: 2,
	testTimeout: 30_000,
};
