/** The baseline on grpc-js: CheckPermission on bare grpc-js, nothing decided. */
import { answer } from './answer.ts';
import { serve } from './grpc-service.ts';

serve((_call, callback) => callback(null, answer()));
