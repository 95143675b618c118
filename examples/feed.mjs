// Prints each change of an order, once and in its order, whatever happens to the server or the network.
//
//     TILLCAST_TOKEN=... node examples/feed.mjs http://localhost:3000
const [, , server = 'http://localhost:3000'] = process.argv;
const subprotocols = ['tillcast.v1', `bearer.${process.env.TILLCAST_TOKEN}`];
const position = {};

function follow() {
    const socket = new WebSocket(new URL('/ws', server.replace('http', 'ws')), subprotocols);
    socket.onopen = () => {
        socket.send(JSON.stringify({ type: 'subscribe', channel: 'order_changes', ...position }));
    };
    socket.onmessage = ({ data }) => {
        const message = JSON.parse(data);
        if (message.event) {
            position.since = message.seq;
            console.log(message.event, message.data.order_number, message.data.status, message.data.total);
        } else if (message.type === 'subscribed' || message.type === 'reset') {
            // After a reset, the events between are gone: read the orders over REST.
            console.log(message.type);
            position.since = message.type === 'reset' ? message.seq : (position.since ?? message.seq);
            position.log = message.log;
        }
    };
    socket.onclose = () => setTimeout(follow, 1000);
}

follow();
