//! Examples that open a tunnel between a gateway and a server. None yet: they come with the tunnel.
