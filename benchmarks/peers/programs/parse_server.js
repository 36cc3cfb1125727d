// Parse Server: each event goes into PostgreSQL before it is answered; there is no queue.
const express = require('express');
const { ParseServer } = require('parse-server');

const port = Number(process.env.PEER_PORT);

async function main() {
  const parse = new ParseServer({
    appId: 'peer',
    masterKey: 'peer',
    databaseURI: `postgres://${process.env.PGUSER}@localhost/${process.env.PGDATABASE}`,
    databaseOptions: { host: process.env.PGHOST },
    serverURL: `http://127.0.0.1:${port}/parse`,
    allowClientClassCreation: true,
    logLevel: 'error',
    silent: true,
  });
  await parse.start();
  const app = express();
  app.use((request, _, next) => { // the load sends no header of its own
    request.headers['x-parse-application-id'] = 'peer';
    next();
  });
  app.use('/parse', parse.app);
  app.listen(port, '127.0.0.1');
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
