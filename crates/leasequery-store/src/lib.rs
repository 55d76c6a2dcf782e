#![doc = "leasequery-store"]
