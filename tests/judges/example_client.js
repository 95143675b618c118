const ws = new WebSocket('ws://localhost:3000/ws');
ws.onopen = () => {
console.log('Connected');
// Subscribe to order events
ws.send(JSON.stringify({ type: 'subscribe', channel: 'order_changes' }));
};
ws.onmessage = (event) => {
const message = JSON.parse(event.data);
if (message.event && message.data) {
// Handle real-time event
console.log('Event:', message.event, message.data);
// Update UI or invalidate queries
if (message.event === 'order:created') {
// Refresh orders list
invalidateQueries(['orders']);
}
}
};
ws.onerror = (error) => {
console.error('WebSocket error:', error);
};
ws.onclose = () => {
console.log('Disconnected, attempting to reconnect...');
// Implement reconnection logic
};
