//! What is asked about the key of the secrets.

use contracts::message::Caller;
use contracts::registry::vault_server::Vault;
use contracts::registry::{GetVaultStatusRequest, RotateKeyRequest, VaultStatus};
use runtime::{Bell, clock};
use tonic::{Request, Response, Status};

use crate::Error;
use crate::store::Store;

/// Answers calls about the key.
#[derive(Debug)]
pub(crate) struct Keys {
    store: Store,
    /// Wakes the outbox' relay.
    bell: Bell,
    /// Wakes the loop that seals again.
    rotation: Bell,
}

impl Keys {
    /// Answers from `store`, rings `bell` after what is announced and `rotation` after a new key.
    pub(crate) fn new(store: Store, bell: Bell, rotation: Bell) -> Self {
        Self {
            store,
            bell,
            rotation,
        }
    }

    async fn status(&self, caller: &Caller) -> Result<Response<VaultStatus>, Error> {
        let keys = self.store.keys(caller).await?;
        Ok(Response::new(VaultStatus {
            key_id: keys.current,
            earlier_key_ids: keys.earlier,
            left: keys.left,
        }))
    }
}

#[tonic::async_trait]
impl Vault for Keys {
    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<VaultStatus>, Status> {
        let caller = request.into_inner().caller.unwrap_or_default();
        self.store.renew_key(&caller, clock::now_ms()).await?;
        self.bell.ring();
        self.rotation.ring();
        Ok(self.status(&caller).await?)
    }

    async fn get_vault_status(
        &self,
        request: Request<GetVaultStatusRequest>,
    ) -> Result<Response<VaultStatus>, Status> {
        let caller = request.into_inner().caller.unwrap_or_default();
        Ok(self.status(&caller).await?)
    }
}
