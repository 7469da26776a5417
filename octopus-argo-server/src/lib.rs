//! A service to mount in your own server. Listener, TLS and database are yours, or optional helpers of ours.
//!
//! Empty so far. This crate will hold the server's end: the tunnel service, the handles through which any tonic client
//! calls what runs behind a gateway, the replica of every gateway's inventory, registration and the stores.
