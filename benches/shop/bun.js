// Bun's pub/sub as a peer: a POST publishes its body to every WebSocket.
const TOPIC = "order_changes";

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  idleTimeout: 255,
  async fetch(request, server) {
    if (request.method === "POST") {
      server.publish(TOPIC, await request.text());
      return new Response("published");
    }
    if (server.upgrade(request)) return undefined;
    return new Response("ready");
  },
  websocket: {
    idleTimeout: 960,
    perMessageDeflate: false,
    open(socket) {
      socket.subscribe(TOPIC);
    },
    message() {},
  },
});

console.error(`listening on 127.0.0.1:${server.port}`);
