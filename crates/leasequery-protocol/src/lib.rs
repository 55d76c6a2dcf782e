#![doc = "leasequery-protocol"]
