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
INSERT INTO "deliveries" VALUES(1,'wh_683d9e2637e70da9','a-1',3,'job.moved','pending',0,1.79601031507504987723e+09,0.0,NULL,'',1.79601031507504987723e+09);
CREATE TABLE entries (
	sequence INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	at DOUBLE NOT NULL, 
	body TEXT NOT NULL, 
	chain BLOB NOT NULL, 
	PRIMARY KEY (sequence)
);
INSERT INTO "entries" VALUES(1,1,1.79601031505888676645e+09,'{"a":1}',X'7AC5C2C9CB8D7389E6022D8B86DE089EA38E4E3A50F5CF31A6EB737A8F08DC81');
INSERT INTO "entries" VALUES(2,1,1.79601031505888676645e+09,'{"b":2}',X'058B39E1EC29A6357C3FAD7473CE0C542030718C40FD54AE6623D64986DD4CD1');
INSERT INTO "entries" VALUES(3,1,1.79601031507091856006e+09,'{"c":3}',X'12FE03368A30267E9F3088C956C0E60AD479081FED09B162AD5E6B48C1F7B852');
CREATE TABLE epochs (
	epoch INTEGER NOT NULL, 
	owner TEXT NOT NULL, 
	began_at DOUBLE NOT NULL, 
	PRIMARY KEY (epoch)
);
INSERT INTO "epochs" VALUES(1,'version 3',1.79601031505503034592e+09);
CREATE TABLE head (
	id INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	epoch INTEGER NOT NULL, 
	chain BLOB NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "head" VALUES(1,3,1,X'12FE03368A30267E9F3088C956C0E60AD479081FED09B162AD5E6B48C1F7B852');
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
CREATE TABLE outbox (
	id INTEGER NOT NULL, 
	sequence INTEGER NOT NULL, 
	PRIMARY KEY (id)
);
INSERT INTO "outbox" VALUES(1,3);
CREATE TABLE requests (
	request INTEGER NOT NULL, 
	token TEXT NOT NULL, 
	body TEXT NOT NULL, 
	answer TEXT, 
	PRIMARY KEY (request), 
	CONSTRAINT requests_token UNIQUE (token)
);
CREATE TABLE schema_version (
	version INTEGER NOT NULL
);
INSERT INTO "schema_version" VALUES(3);
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
INSERT INTO "webhook_secrets" VALUES('wh_683d9e2637e70da9',1,'whsec_ArzbdD0YWdp52HV1zLalyQoXrbsRuakPxNnNGFpFF+g=',NULL);
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
INSERT INTO "webhooks" VALUES('wh_683d9e2637e70da9','north','https://a.example/x','kept','job.moved',2,1.79601031506063532833e+09,NULL,'');
CREATE INDEX requests_without_answer ON requests (request) WHERE answer IS NULL;
CREATE INDEX deliveries_due ON deliveries (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX deliveries_of_job ON deliveries (webhook_id, job, sequence);
COMMIT;
