BEGIN TRANSACTION;
CREATE TABLE api_keys (
	key_id TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	studio TEXT NOT NULL, 
	label TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	expires_at DOUBLE, 
	revoked_at DOUBLE, 
	PRIMARY KEY (key_id), 
	CONSTRAINT api_keys_sha256 UNIQUE (sha256)
);
INSERT INTO "api_keys" VALUES('1df3742d7a9d','96abbcdf72e596d00cefc8777f9970a2c17a57b6dd75ae18808540bb442ef08d','north','kept','read',1.79602159608561968802e+09,NULL,NULL);
CREATE TABLE batch_jobs (
	batch_id TEXT NOT NULL, 
	"row" INTEGER NOT NULL, 
	request INTEGER NOT NULL, 
	job TEXT NOT NULL, 
	PRIMARY KEY (batch_id, "row")
);
INSERT INTO "batch_jobs" VALUES('b_8f31ba919a1a1643',1,1,'a-1');
CREATE TABLE batches (
	batch_id TEXT NOT NULL, 
	studio TEXT NOT NULL, 
	name TEXT NOT NULL, 
	created_at DOUBLE NOT NULL, 
	sha256 TEXT NOT NULL, 
	PRIMARY KEY (batch_id)
);
INSERT INTO "batches" VALUES('b_8f31ba919a1a1643','north','spring',1.79602159609983158114e+09,'55656c31b537fad20838af222dac7c42b8b75421906668cff0dd36732f35bdf6');
CREATE TABLE deliveries (
	number INTEGER NOT NULL, 
	webhook_id TEXT NOT NULL, 
	job TEXT NOT NULL, 
	sequence INTEGER NOT NULL, 
	message TEXT NOT NULL, 
	state TEXT NOT NULL, 
	tries INTEGER NOT NULL, 
	next_at DOUBLE, 
	claimed_until DOUBLE NOT NULL, 
	status INTEGER, 
	note TEXT NOT NULL, 
	changed_at DOUBLE NOT NULL, 
	PRIMARY KEY (number), 
	CONSTRAINT deliveries_message UNIQUE (webhook_id, sequence)
);
CREATE TABLE entries (
	sequence INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	body TEXT NOT NULL, 
	chain BLOB NOT NULL, 
	PRIMARY KEY (sequence)
);
INSERT INTO "entries" VALUES(1,1,1.79602159608387589454e+09,'{"a":1}',X'1462D90A15D159150817FC415212806F4E52970AF9C2B3402DB5F634BCB324CA');
INSERT INTO "entries" VALUES(2,1,1.79602159608387589454e+09,'{"b":2}',X'694383D2030C75966AE773145C59C3FF495CEEADC670C78B3AEE9D831E63870B');
CREATE TABLE epochs (
	epoch INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	began_at DOUBLE NOT NULL, 
	PRIMARY KEY (epoch)
);
INSERT INTO "epochs" VALUES(1,'former',1.79602159606912779813e+09);
CREATE TABLE head (
	id INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	chain BLOB NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "head" VALUES(1,2,1,X'694383D2030C75966AE773145C59C3FF495CEEADC670C78B3AEE9D831E63870B');
CREATE TABLE heartbeats (
	id INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	body TEXT NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE key_changes (
	change INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	key_id TEXT NOT NULL, 
	what TEXT NOT NULL, 
	"by" TEXT NOT NULL, 
	PRIMARY KEY (change)
);
INSERT INTO "key_changes" VALUES(1,1.79602159608561968802e+09,'1df3742d7a9d','created','a test');
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
CREATE TABLE requests (
	request INTEGER NOT NULL, 
	token TEXT NOT NULL, 
	body TEXT NOT NULL, 
	answer TEXT, 
	PRIMARY KEY (request), 
	CONSTRAINT requests_token UNIQUE (token)
);
INSERT INTO "requests" VALUES(1,'batch/b_8f31ba919a1a1643/1','{}',NULL);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(4);
CREATE TABLE snapshots (
	sequence INTEGER NOT NULL, 
	body TEXT NOT NULL, 
	sha256 TEXT NOT NULL, 
	PRIMARY KEY (sequence)
);
CREATE TABLE webhook_secrets (
	webhook_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	secret TEXT NOT NULL, 
	expires_at DOUBLE, 
	PRIMARY KEY (webhook_id, number)
);
CREATE TABLE webhooks (
	webhook_id TEXT NOT NULL, 
	studio TEXT NOT NULL, 
	url TEXT NOT NULL, 
	label TEXT NOT NULL, 
	types TEXT NOT NULL, 
	"after" INTEGER NOT NULL, 
	created_at DOUBLE NOT NULL, 
	ended_at DOUBLE, 
	ended_why TEXT NOT NULL, 
	PRIMARY KEY (webhook_id)
);
CREATE INDEX requests_without_answer ON requests (request) WHERE answer IS NULL;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_of_job ON deliveries (webhook_id, job, sequence);
COMMIT;
